"""`GET /openapi.json`: what this server takes and answers, for people and for generators of clients."""

import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from flashstep.server.models import ModelCatalogue
from flashstep.server.openapi.document import DescribedRoute, ServerFacts, document
from flashstep.server.openapi.forms import Offer
from flashstep.server.served_model import ServedModel
from flashstep.server.settings import ServerSettings


class OpenApiEndpoint:
    """Serves the document, which is written when it is first asked for. needs_key: whether paths
    outside `public_paths` want an API key."""

    def __init__(
        self,
        model: ServedModel,
        catalogue: ModelCatalogue,
        settings: ServerSettings,
        *,
        needs_key: bool,
        public_paths: frozenset[str],
    ) -> None:
        self._facts = ServerFacts(
            offer=Offer(
                model_names=catalogue.names,
                vocab_size=model.vocab_size,
                max_choices=settings.max_choices,
                json_mode=settings.json_mode,
            ),
            needs_key=needs_key,
            public_paths=public_paths,
        )
        self._routes: Sequence[DescribedRoute] = ()
        self._written: bytes | None = None

    def describe(self, routes: Sequence[DescribedRoute]) -> None:
        """Take `routes` into the document; they may include this endpoint's own."""
        self._routes = routes

    async def get(self, request: Request) -> Response:
        """The document."""
        if self._written is None:
            self._written = json.dumps(document(self._routes, self._facts)).encode()
        return Response(self._written, media_type="application/json")
