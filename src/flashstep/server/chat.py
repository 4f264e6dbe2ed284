"""`POST /v1/chat/completions`: body -> messages -> events -> one stream or one object."""

import hashlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from flashstep.server.body import read_json
from flashstep.server.completion import CompletionBuilder, CompletionResponse
from flashstep.server.envelope import Envelope
from flashstep.server.models import ModelCatalogue
from flashstep.server.protocol import ChatCall, parse_chat
from flashstep.server.served_model import ServedModel
from flashstep.server.settings import ServerSettings
from flashstep.server.sse import ChunkWriter, StreamStyle, frames
from flashstep.server.stream_response import StreamResponse
from flashstep.server.trace import trace_id_of
from flashstep.types import Event, Finish

logger = logging.getLogger("flashstep.server")

WARNING_HEADER = "X-Flashstep-Warning"


class ChatEndpoint:
    """Answers chat completions with one model."""

    def __init__(self, model: ServedModel, catalogue: ModelCatalogue, settings: ServerSettings) -> None:
        self._model = model
        self._catalogue = catalogue
        self._settings = settings
        self._fingerprint = _fingerprint(model)

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        call = parse_chat(await read_json(request, self._settings.max_body_bytes), self._settings)
        self._catalogue.check(call.model)
        envelope = Envelope(
            request_id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=call.model,
            fingerprint=self._fingerprint,
            trace_id=trace_id_of(request.scope),
        )
        headers = {WARNING_HEADER: "; ".join(call.warnings)} if call.warnings else {}
        events = self._events(call, envelope)
        if not call.stream:
            return CompletionResponse(events, CompletionBuilder(envelope, call.reasoning_field), headers)
        writer = ChunkWriter(envelope, StreamStyle(call.reasoning_field, call.include_usage))
        return StreamResponse(
            frames(events, writer), keep_alive_s=self._settings.keep_alive_s, headers=headers
        )

    async def _events(self, call: ChatCall, envelope: Envelope) -> AsyncGenerator[Event, None]:
        """The model's events, with one log line at the end."""
        events = self._model.chat(
            call.messages,
            call.tools,
            call.params,
            trace_id=envelope.trace_id,
            request_id=envelope.request_id,
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Finish):
                    _log_finish(envelope, event)
                yield event


def _fingerprint(model: ServedModel) -> str:
    identity = f"{version('flashstep')} {model.model_name} {model.context_length}"
    return f"fp_{hashlib.sha256(identity.encode()).hexdigest()[:10]}"


def _log_finish(envelope: Envelope, finish: Finish) -> None:
    first_token_s = finish.timings.first_token_s
    logger.info(
        "%s %s: %s, %d prompt tokens (%d cached), %d completion tokens (%d reasoning), first token after %s",
        envelope.request_id,
        envelope.model,
        finish.reason,
        finish.usage.prompt_tokens,
        finish.usage.cached_tokens,
        finish.usage.completion_tokens,
        finish.usage.reasoning_tokens,
        "-" if first_token_s is None else f"{first_token_s * 1000:.1f} ms",
    )
