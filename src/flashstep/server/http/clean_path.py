"""One spelling for every path: no doubled slashes, none at the end, one version.

A base URL that ends in a slash makes clients ask for `/v1//chat/completions`, one without care for
`/v1/models/`, and one that ends in `/v1`, as OpenAI's clients want it, makes Anthropic's ask for
`/v1/v1/messages`. A redirect would lose the body of a POST in many clients, so the path itself is mended,
in front of everything that looks at it.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")
_TWO_VERSIONS = re.compile(r"^((?:/step_plan)?/v1)/v1(?=/)")


class CleanPathMiddleware:
    """Mends the path of each HTTP call."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the call with its path mended."""
        if scope["type"] == "http":
            path = scope["path"]
            if "//" in path or path.endswith("/") or "/v1/v1/" in path:
                whole = _SLASHES.sub("/", path).rstrip("/") or "/"
                scope = {**scope, "path": _TWO_VERSIONS.sub(r"\1", whole)}
        await self.app(scope, receive, send)
