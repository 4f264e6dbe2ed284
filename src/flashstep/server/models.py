"""Which names the loaded model answers to, and `GET /v1/models`."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from flashstep.errors import NotFound
from flashstep.server.served_model import ServedModel


class ModelCatalogue:
    """The loaded model under its own name and its aliases. All entries are the same weights:
    `root` in an entry is the loaded model's own name."""

    def __init__(self, model: ServedModel, aliases: tuple[str, ...]) -> None:
        self._model = model
        self._names = tuple(dict.fromkeys((model.model_name, *aliases)))
        self._created = int(time.time())

    def check(self, name: str) -> None:
        """Raise NotFound, listing the available names, unless `name` is one of them."""
        if name not in self._names:
            available = ", ".join(self._names)
            raise NotFound(f"model: there is no model {name!r} here; available: {available}")

    async def list(self, request: Request) -> JSONResponse:
        """GET /v1/models."""
        return JSONResponse({"object": "list", "data": [self._entry(name) for name in self._names]})

    async def get(self, request: Request) -> JSONResponse:
        """GET /v1/models/{model_id}; 404 for other names."""
        name = request.path_params["model_id"]
        self.check(name)
        return JSONResponse(self._entry(name))

    def _entry(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "flashstep",
            "root": self._model.model_name,
            "context_length": self._model.context_length,
            "max_model_len": self._model.context_length,  # vLLM's name, which some clients read
            "reasoning_field": "reasoning",
        }
