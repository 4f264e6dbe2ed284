"""Which names the loaded model answers to, and `GET /v1/models`.

An entry has OpenAI's members, Anthropic's (`type`, `display_name`, `created_at`), and those that
clients of the hosted service and of vLLM read: context, reasoning field, abilities.
"""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from flashstep.errors import NotFound
from flashstep.server.served_model import ServedModel
from flashstep.server.settings import ServerSettings


class ModelCatalogue:
    """The loaded model under its own name and its aliases. All entries are the same weights:
    `root` in an entry is the loaded model's own name, `aliases` are its other names."""

    def __init__(self, model: ServedModel, settings: ServerSettings) -> None:
        self._model = model
        self._settings = settings
        self._names = tuple(dict.fromkeys((model.model_name, *settings.aliases)))
        self._created_at = datetime.now(UTC).replace(microsecond=0)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the model's own first."""
        return self._names

    def check(self, name: str) -> None:
        """Raise NotFound, listing the available names, unless `name` is one of them."""
        if name not in self._names:
            available = ", ".join(self._names)
            raise NotFound(f"model: there is no model {name!r} here; available: {available}")

    async def list(self, request: Request) -> JSONResponse:
        """GET /v1/models."""
        return JSONResponse(
            {
                "object": "list",
                "data": [self._entry(name) for name in self._names],
                "first_id": self._names[0],
                "last_id": self._names[-1],
                "has_more": False,
            }
        )

    async def get(self, request: Request) -> JSONResponse:
        """GET /v1/models/{model_id}; 404 for other names."""
        name = request.path_params["model_id"]
        self.check(name)
        return JSONResponse(self._entry(name))

    def _entry(self, name: str) -> dict[str, Any]:
        context_length = self._model.context_length
        return {
            "id": name,
            "object": "model",
            "type": "model",
            "display_name": name,
            "created": int(self._created_at.timestamp()),
            "created_at": self._created_at.isoformat().replace("+00:00", "Z"),
            "owned_by": "flashstep",
            "root": self._model.model_name,
            "aliases": [other for other in self._names if other != name],
            "context_length": context_length,
            "max_model_len": context_length,
            "max_input_tokens": context_length - 1,  # an answer has at least one token
            "enable_reason": True,
            "enable_vision_input": False,
            "reasoning_effort_support_list": [],
            "reasoning_field": self._settings.reasoning_field,
            "json_mode": self._settings.json_mode,
        }
