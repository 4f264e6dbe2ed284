"""`GET /v1/traces/{trace_id}`: the records of a trace, for whoever's key made them.

What belongs to another key is not there at all, so that ids cannot be tried out. A server without keys
knows no owners and shows everything to everyone who can connect.
"""

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse

from flashstep.errors import ConfigError, FlashstepError
from flashstep.server.call import call_of
from flashstep.server.traces.codec import trace_object
from flashstep.server.traces.record import plain_trace_id
from flashstep.server.traces.tracing import Tracing

logger = logging.getLogger("flashstep.server")


class TraceNotFound(FlashstepError):
    """No record that the caller may see."""

    status = 404
    type = "invalid_request_error"
    code = "trace_not_found"


class TraceEndpoint:
    """Shows records. `tracing` None: this server keeps none."""

    def __init__(self, tracing: Tracing | None) -> None:
        self._tracing = tracing

    async def get(self, request: Request) -> JSONResponse:
        """`{"object": "trace", "trace_id", "records": [...]}`; raises TraceNotFound."""
        trace_id = plain_trace_id(request.path_params["trace_id"])
        if self._tracing is None:
            raise TraceNotFound("this server keeps no traces; it was started with --trace-store off")
        owner = call_of(request.scope).client_name
        return await asyncio.to_thread(_shown, self._tracing, trace_id, owner)


def _shown(tracing: Tracing, trace_id: str, owner: str | None) -> JSONResponse:
    """The whole answer, which may have many megabytes: not for the event loop."""
    try:
        records = tracing.lookup(trace_id)
    except ConfigError as error:  # it names the file and says what its operator can do
        logger.error("%s", error.message)
        raise FlashstepError("the trace store cannot be read now; the server's log has the cause") from error
    mine = [record for record in records if owner is None or record.client == owner]
    if not mine:
        raise TraceNotFound(
            f"there is no trace {trace_id} of yours; a record is kept once its answer has ended, "
            "under the id in the header X-Trace-Id"
        )
    return JSONResponse(trace_object(trace_id, mine))
