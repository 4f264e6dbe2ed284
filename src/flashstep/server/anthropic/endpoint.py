"""`POST /v1/messages` and `POST /v1/messages/count_tokens`: Anthropic's Messages.

The headers anthropic-version and anthropic-beta are taken in any value: what they switch on or off
does not exist here.
"""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from flashstep.backends.prompt_encoding import in_thread
from flashstep.server.anthropic.errors import anthropic_error
from flashstep.server.anthropic.protocol import parse_count, parse_messages
from flashstep.server.anthropic.stream import frames, whole
from flashstep.server.anthropic.writer import MessageWriter
from flashstep.server.call import Call, call_of
from flashstep.server.envelope import WARNING_HEADER
from flashstep.server.http.body import read_json
from flashstep.server.http.errors import explained
from flashstep.server.http.frame import frame
from flashstep.server.http.stream_response import StreamResponse
from flashstep.server.http.whole_response import WholeResponse
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings


class MessagesEndpoint:
    """Answers in the Messages format, and counts prompts given in it."""

    def __init__(self, service: GenerationService, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        call = _answered_with_id(request)
        wish = parse_messages(await read_json(request, self._settings.max_body_bytes), self._settings)
        answer = self._service.start(wish.generation, call)
        writer = MessageWriter(answer, wish.display)
        headers = {WARNING_HEADER: "; ".join(wish.warnings)} if wish.warnings else {}
        if not wish.generation.stream:
            return WholeResponse(partial(whole, answer.events, writer), headers)
        call.error_frames = partial(_error_frame, call.trace_id)
        return StreamResponse(
            frames(answer.events, writer), keep_alive_s=self._settings.keep_alive_s, headers=headers
        )

    async def count_tokens(self, request: Request) -> Response:
        """How many prompt tokens a conversation takes: `{"input_tokens": N}`."""
        _answered_with_id(request)
        wish = parse_count(await read_json(request, self._settings.max_body_bytes))
        self._service.catalogue.check(wish.model)
        encode = partial(self._service.model.prompt_token_ids, wish.messages, wish.tools)
        return WholeResponse(partial(in_thread, lambda: {"input_tokens": len(encode())}))


def _answered_with_id(request: Request) -> Call:
    """The call, whose response will have the header in which Anthropic's SDKs look for its id."""
    call = call_of(request.scope)
    call.response_headers["request-id"] = call.trace_id
    return call


def _error_frame(trace_id: str, error: Exception) -> bytes:
    return frame(anthropic_error(explained(error, trace_id), trace_id), "error")
