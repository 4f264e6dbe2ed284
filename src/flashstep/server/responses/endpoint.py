"""`POST /v1/responses`: body -> generation -> events -> one stream or one object.

Stateless: no response can be fetched, continued, cancelled or deleted later.
"""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from flashstep.errors import InvalidRequest
from flashstep.server.call import call_of
from flashstep.server.envelope import WARNING_HEADER
from flashstep.server.fields import shown
from flashstep.server.http.body import read_json
from flashstep.server.http.stream_response import StreamResponse
from flashstep.server.http.whole_response import WholeResponse
from flashstep.server.responses.protocol import parse_response
from flashstep.server.responses.stream import frames, whole
from flashstep.server.responses.writer import ResponseWriter
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings


class NotStored(InvalidRequest):
    """A response was asked for by its id."""

    status = 404


class ResponsesEndpoint:
    """Answers in the Responses format."""

    def __init__(self, service: GenerationService, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_response(raw, self._settings, self._service.model.vocab_size)
        call = call_of(request.scope)
        answer = self._service.start(wish.generation, call)
        writer = ResponseWriter(answer, wish.style)
        headers = {WARNING_HEADER: "; ".join(wish.warnings)} if wish.warnings else {}
        if not wish.generation.stream:
            return WholeResponse(partial(whole, answer.events, writer), headers)
        call.error_frames = writer.failure
        return StreamResponse(
            frames(answer.events, writer), keep_alive_s=self._settings.keep_alive_s, headers=headers
        )

    async def stored(self, request: Request) -> Response:
        """Refuse to look up what was never kept."""
        raise NotStored(
            f"there is no response {shown(request.path_params['response_id'])}: nothing is stored here, a "
            "response exists only in the answer to POST /v1/responses; send the whole conversation as input",
            param="response_id",
            code="response_not_found",
        )
