"""`POST /v1/completions`: body -> one generation a prompt -> pieces -> one stream or one object."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from flashstep.server.body import read_json
from flashstep.server.call import call_of
from flashstep.server.completions.answer import frames, start, whole
from flashstep.server.completions.protocol import parse_completion
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings
from flashstep.server.stream_response import StreamResponse
from flashstep.server.whole_response import WholeResponse


class CompletionsEndpoint:
    """Continues raw prompts."""

    def __init__(self, service: GenerationService, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_completion(raw, self._settings, self._service.model.vocab_size)
        answer = start(self._service, wish, call_of(request.scope))
        if not wish.stream:
            return WholeResponse(partial(whole, answer))
        return StreamResponse(frames(answer), keep_alive_s=self._settings.keep_alive_s, headers={})
