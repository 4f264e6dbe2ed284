"""`POST /v1/chat/completions`: body -> generation -> events -> one stream or one object."""

from starlette.requests import Request
from starlette.responses import Response

from flashstep.server.body import read_json
from flashstep.server.call import call_of
from flashstep.server.completion import CompletionBuilder, CompletionResponse
from flashstep.server.protocol import parse_chat
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings
from flashstep.server.sse import ChunkWriter, StreamStyle, frames
from flashstep.server.stream_response import StreamResponse

WARNING_HEADER = "X-Flashstep-Warning"


class ChatEndpoint:
    """Answers chat completions."""

    def __init__(self, service: GenerationService, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        wish = parse_chat(await read_json(request, self._settings.max_body_bytes), self._settings)
        answer = self._service.start(wish.generation, call_of(request.scope))
        headers = {WARNING_HEADER: "; ".join(wish.warnings)} if wish.warnings else {}
        if not wish.generation.stream:
            return CompletionResponse(answer.events, CompletionBuilder(answer, wish.reasoning_field), headers)
        writer = ChunkWriter(answer, StreamStyle(wish.reasoning_field, wish.include_usage))
        return StreamResponse(
            frames(answer.events, writer), keep_alive_s=self._settings.keep_alive_s, headers=headers
        )
