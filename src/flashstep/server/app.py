"""The HTTP application around one model: routes as data, then the layers around them.

From the outside in: clean paths, trace ids, CORS (only if asked for), errors, API keys, router. Errors lie
inside the trace and CORS layers, so that every error carries the trace headers and browsers may
read it. The caller owns the model and closes it after serving.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from flashstep.server.anthropic.endpoint import MessagesEndpoint
from flashstep.server.call import call_of
from flashstep.server.chat_completions.endpoint import ChatEndpoint
from flashstep.server.completions.endpoint import CompletionsEndpoint
from flashstep.server.envelope import WARNING_HEADER
from flashstep.server.health import HealthEndpoint, ReadyEndpoint
from flashstep.server.http.auth import METRICS_PATH, PUBLIC_PATHS, AuthMiddleware
from flashstep.server.http.clean_path import CleanPathMiddleware
from flashstep.server.http.errors import ErrorMiddleware, error_response, from_http_exception
from flashstep.server.http.trace import CallObserver, TraceMiddleware, trace_id_of
from flashstep.server.limits.admission import POSITION_HEADER
from flashstep.server.limits.guard import Guard
from flashstep.server.limits.key_limits import KeyLimitMiddleware
from flashstep.server.limits.meter import HEADERS as LIMIT_HEADERS
from flashstep.server.limits.request_limits import RequestLimitMiddleware
from flashstep.server.metrics.metrics import Metrics
from flashstep.server.metrics.observer import MetricsObserver
from flashstep.server.models import ModelCatalogue
from flashstep.server.openapi import operations as op
from flashstep.server.openapi.endpoint import OpenApiEndpoint
from flashstep.server.openapi.operation import Operation
from flashstep.server.responses.endpoint import ResponsesEndpoint
from flashstep.server.served_model import ServedModel
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings
from flashstep.server.tokens.endpoint import TokensEndpoint
from flashstep.server.traces.endpoint import TraceEndpoint
from flashstep.server.traces.recorder import TraceObserver
from flashstep.server.traces.tracing import Tracing

_READ = ("GET", "HEAD")
_ANY = ("GET", "POST", "DELETE")
_TOLD_TO_BROWSERS = (
    "X-Trace-Id", "X-Request-Id", "request-id", "X-Should-Retry", WARNING_HEADER, POSITION_HEADER,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Route:
    methods: tuple[str, ...]
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    operation: Operation | None = None  # what /openapi.json says about it


def create_app(model: ServedModel, *, settings: ServerSettings, tracing: Tracing | None = None) -> FastAPI:
    """The application that serves `model`; it starts and closes nothing. `tracing` None: no records.
    Its `state.drain` is how whoever runs it stops it. Raises ConfigError for an unusable key file."""
    guard = Guard(model, settings)
    metrics = Metrics(model, guard, tracing)
    observers: list[TraceObserver | MetricsObserver] = [metrics.observer]
    if tracing is not None:
        observers.append(tracing.observer(model.model_name))
    service = GenerationService(
        model, ModelCatalogue(model, settings), admission=guard.admission, observers=observers
    )
    routes = _routes(service, settings, tracing, guard, metrics)
    metrics.observer.know_routes(route.path for route in routes)
    app = FastAPI(
        title="flashstep",
        openapi_url=None,
        redirect_slashes=False,
        middleware=_layers(settings, guard, metrics, observers),
        exception_handlers={HTTPException: _refuse},
    )
    app.state.drain = guard.drain
    for route in routes:
        app.add_api_route(
            route.path, route.endpoint, methods=list(route.methods), response_model=None, name=route.path
        )
    return app


def _routes(
    service: GenerationService,
    settings: ServerSettings,
    tracing: Tracing | None,
    guard: Guard,
    metrics: Metrics,
) -> tuple[_Route, ...]:
    model, catalogue = service.model, service.catalogue
    chat = ChatEndpoint(service, settings)
    responses = ResponsesEndpoint(service, settings)
    messages = MessagesEndpoint(service, settings)
    tokens = TokensEndpoint(model, catalogue, settings)
    openapi = OpenApiEndpoint(
        model, catalogue, settings, needs_key=not guard.keys.is_open, public_paths=_public_paths(settings)
    )
    routes = (
        _Route(("POST",), "/v1/chat/completions", chat.create, op.CHAT),
        _Route(("POST",), "/step_plan/v1/chat/completions", chat.create, op.CHAT),
        _Route(("POST",), "/v1/responses", responses.create, op.RESPONSES),
        _Route(_ANY, "/v1/responses/{response_id:path}", responses.stored, op.STORED_RESPONSE),
        _Route(("POST",), "/step_plan/v1/responses", responses.create, op.RESPONSES),
        _Route(("POST",), "/v1/messages", messages.create, op.MESSAGES),
        _Route(("POST",), "/v1/messages/count_tokens", messages.count_tokens, op.COUNT_INPUT),
        _Route(("POST",), "/step_plan/v1/messages", messages.create, op.MESSAGES),
        _Route(("POST",), "/step_plan/v1/messages/count_tokens", messages.count_tokens, op.COUNT_INPUT),
        _Route(("POST",), "/v1/completions", CompletionsEndpoint(service, settings).create, op.COMPLETIONS),
        _Route(("POST",), "/v1/token/count", tokens.count, op.COUNT_TOKENS),
        _Route(("POST",), "/tokenize", tokens.tokenize, op.TOKENIZE),
        _Route(("POST",), "/v1/tokenize", tokens.tokenize, op.TOKENIZE),
        _Route(("POST",), "/detokenize", tokens.detokenize, op.DETOKENIZE),
        _Route(("POST",), "/v1/detokenize", tokens.detokenize, op.DETOKENIZE),
        _Route(_READ, "/v1/models", catalogue.list, op.MODELS),
        _Route(_READ, "/v1/models/{model_id:path}", catalogue.get, op.MODEL),
        _Route(_READ, "/step_plan/v1/models", catalogue.list, op.MODELS),
        _Route(_READ, "/step_plan/v1/models/{model_id:path}", catalogue.get, op.MODEL),
        _Route(_READ, "/v1/traces/{trace_id}", TraceEndpoint(tracing).get, op.TRACE),
        _Route(_READ, "/health", HealthEndpoint(model).get, op.HEALTH),
        _Route(_READ, "/ready", ReadyEndpoint(model, is_draining=guard.drain.is_draining).get, op.READY),
        _Route(_READ, METRICS_PATH, metrics.endpoint.get, op.METRICS),
        _Route(_READ, "/openapi.json", openapi.get, op.OPENAPI),
    )
    openapi.describe(routes)
    return routes


def _layers(
    settings: ServerSettings, guard: Guard, metrics: Metrics, observers: Sequence[CallObserver]
) -> list[Middleware]:
    layers = [Middleware(CleanPathMiddleware), Middleware(TraceMiddleware, observers=observers)]
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("*",),
                expose_headers=(*_TOLD_TO_BROWSERS, *LIMIT_HEADERS),
            )
        )
    layers.append(Middleware(ErrorMiddleware, keep_quotes=settings.traces.keep_content))
    layers.append(Middleware(RequestLimitMiddleware, body_timeout_s=settings.limits.request_timeout_s))
    layers.append(Middleware(AuthMiddleware, keys=guard.keys, public_paths=_public_paths(settings)))
    layers.append(
        Middleware(KeyLimitMiddleware, meters=guard.meters, on_refusal=metrics.observer.key_refused)
    )
    return layers


def _public_paths(settings: ServerSettings) -> frozenset[str]:
    return PUBLIC_PATHS if settings.protect_metrics else PUBLIC_PATHS | {METRICS_PATH}


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), f"registered for HTTPException, got {error!r}"
    refusal = from_http_exception(error, request.method, request.url.path)
    call_of(request.scope).error = refusal
    return error_response(refusal, trace_id_of(request.scope), request.url.path)
