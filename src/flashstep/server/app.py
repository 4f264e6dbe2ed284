"""The HTTP application around one model: routes as data, then the layers around them.

From the outside in: trace ids, CORS (only if asked for), errors, API keys, router. Errors lie
inside the trace and CORS layers, so that every error carries the trace headers and browsers may
read it. The caller owns the model and closes it after serving.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from flashstep.server.auth import AuthMiddleware
from flashstep.server.chat import WARNING_HEADER, ChatEndpoint
from flashstep.server.errors import ErrorMiddleware, error_response, from_http_exception
from flashstep.server.health import HealthEndpoint
from flashstep.server.models import ModelCatalogue
from flashstep.server.served_model import ServedModel
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings
from flashstep.server.trace import TraceMiddleware, trace_id_of


@dataclass(frozen=True, slots=True)
class _Route:
    methods: tuple[str, ...]
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]


def create_app(model: ServedModel, *, settings: ServerSettings) -> FastAPI:
    """The application that serves `model`; it starts and closes nothing."""
    app = FastAPI(
        title="flashstep",
        openapi_url=None,
        redirect_slashes=False,
        middleware=_layers(settings),
        exception_handlers={HTTPException: _refuse},
    )
    for route in _routes(model, settings):
        app.add_api_route(
            route.path, route.endpoint, methods=list(route.methods), response_model=None, name=route.path
        )
    return app


def _routes(model: ServedModel, settings: ServerSettings) -> tuple[_Route, ...]:
    catalogue = ModelCatalogue(model, settings.aliases)
    service = GenerationService(model, catalogue)
    return (
        _Route(("POST",), "/v1/chat/completions", ChatEndpoint(service, settings).create),
        _Route(("GET",), "/v1/models", catalogue.list),
        _Route(("GET",), "/v1/models/{model_id:path}", catalogue.get),
        _Route(("GET", "HEAD"), "/health", HealthEndpoint(model).get),
    )


def _layers(settings: ServerSettings) -> list[Middleware]:
    layers = [Middleware(TraceMiddleware)]
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("*",),
                expose_headers=("X-Trace-Id", "X-Request-Id", WARNING_HEADER, "Retry-After"),
            )
        )
    layers.append(Middleware(ErrorMiddleware))
    layers.append(Middleware(AuthMiddleware, api_keys=settings.api_keys))
    return layers


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), f"registered for HTTPException, got {error!r}"
    refusal = from_http_exception(error, request.method, request.url.path)
    return error_response(refusal, trace_id_of(request.scope))
