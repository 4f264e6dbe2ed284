"""`GET /health`: 200 while requests can be answered, 503 once the engine has ended."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from flashstep.errors import EngineDead
from flashstep.server.served_model import ServedModel


class HealthEndpoint:
    """Asks the model whether it can still answer."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    async def get(self, request: Request) -> JSONResponse:
        """`{"status": "ok"}`; raises EngineDead."""
        if not self._model.is_healthy():
            raise EngineDead(
                "the engine has ended and answers nothing; the log has the cause, restart the server"
            )
        return JSONResponse({"status": "ok", "model": self._model.model_name})
