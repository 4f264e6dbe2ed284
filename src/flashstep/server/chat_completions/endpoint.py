"""`POST /v1/chat/completions`: body -> generation -> events -> one stream or one object."""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from starlette.requests import Request
from starlette.responses import Response

from flashstep.errors import InvalidRequest, NotFound
from flashstep.server.call import Call, call_of
from flashstep.server.chat_completions.completion import completion
from flashstep.server.chat_completions.openai_wire import OPENAI_WIRE
from flashstep.server.chat_completions.protocol import parse_chat
from flashstep.server.chat_completions.sse import frames
from flashstep.server.chat_completions.stepfun_wire import STEPFUN_WIRE
from flashstep.server.chat_completions.wire import Wire
from flashstep.server.envelope import WARNING_HEADER
from flashstep.server.fields import shown
from flashstep.server.generation import Generation
from flashstep.server.http.body import read_json
from flashstep.server.http.stream_response import StreamResponse
from flashstep.server.http.whole_response import WholeResponse
from flashstep.server.service import Answer, GenerationService
from flashstep.server.settings import ServerSettings, WireName

WIRE_HEADER = "X-Flashstep-Wire"

WIRES: Mapping[WireName, Wire] = {"openai": OPENAI_WIRE, "stepfun": STEPFUN_WIRE}


class ChatEndpoint:
    """Answers chat completions, in the server's wire form or the one that the request's header names."""

    def __init__(self, service: GenerationService, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        wire = self._wire(request.headers.get(WIRE_HEADER))
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_chat(raw, self._settings, self._service.model.vocab_size)
        answer = self._start(wish.generation, call_of(request.scope), wire)
        writer, n = wire.writer(answer, wish.style), wish.generation.n
        headers = {WARNING_HEADER: "; ".join(wish.warnings)} if wish.warnings else {}
        if not wish.generation.stream:
            return WholeResponse(lambda: completion(answer.events, writer, n), headers)
        return StreamResponse(
            frames(answer.events, writer, n), keep_alive_s=self._settings.keep_alive_s, headers=headers
        )

    def _start(self, generation: Generation, call: Call, wire: Wire) -> Answer:
        generation = replace(generation, id_prefix=wire.id_prefix(call.trace_id))
        try:
            return self._service.start(generation, call)
        except NotFound as error:
            raise wire.unknown_model(error.message) from error

    def _wire(self, name: str | None) -> Wire:
        if name is None:
            return WIRES[self._settings.wire]
        for known, wire in WIRES.items():
            if known == name.lower():
                return wire
        raise InvalidRequest(
            f"{WIRE_HEADER}: {shown(name)} is not one of {', '.join(get_args(WireName))}; leave the header "
            "out for the server's own",
            param=WIRE_HEADER,
        )
