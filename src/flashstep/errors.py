"""The exception tree. Messages say what was wrong, the value, the limit, and what to do; what to do about a
missing package is said here once for all.

FlashstepError
  InvalidRequest    400  param, code
    ContextLengthExceeded  400, code context_length_exceeded
  AuthenticationError 401  wrong or missing API key
  NotFound          404  unknown model
  RateLimited       429  a limit of the caller's key is reached; limit, retry_after_s
  Overloaded        503  queue limit reached; retry_after_s
  BackendError      502  a generation failed or was aborted on our side
  EngineDead        503  the engine thread ended
  ConfigError        -   bad config, bad weights, bad flags: for whoever runs a command, never for API clients
"""

import shlex
import sys


class FlashstepError(Exception):
    """Base of every error that flashstep raises on purpose; `message` is meant for people."""

    status = 500
    type = "server_error"
    code: str | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(FlashstepError):
    """The caller's request cannot be honoured; `param` names the field, `code` the kind."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class ContextLengthExceeded(InvalidRequest):
    """Prompt (plus requested output) does not fit the context window."""

    def __init__(self, message: str, *, param: str = "messages") -> None:
        super().__init__(message, param=param, code="context_length_exceeded")


class AuthenticationError(FlashstepError):
    """The API key is missing or wrong."""

    status = 401
    type = "invalid_api_key"
    code = "invalid_api_key"


class NotFound(FlashstepError):
    """The named thing (a model) does not exist here."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class RateLimited(FlashstepError):
    """A limit of the caller's key is reached: `limit` names it ("requests", "tokens" or "concurrency");
    try again after `retry_after_s` seconds."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, limit: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after_s = retry_after_s


class Overloaded(FlashstepError):
    """The queue is full; try again after `retry_after_s` seconds."""

    status = 503
    type = "overloaded"
    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendError(FlashstepError):
    """A generation failed or was aborted before its end, or a server under measurement answered wrongly."""

    status = 502
    type = "backend_error"


class EngineDead(FlashstepError):
    """The engine thread has ended; no request can be served."""

    status = 503
    type = "engine_dead"


class ConfigError(FlashstepError):
    """A configuration, a file of this machine or a flag cannot work. Its message may name paths, so it is
    never shown to clients of the API."""


def how_to_install(extra: str) -> str:
    """The end of a message about a missing package: how to get the `extra` of pyproject.toml that has it.

    From the sources, since flashstep is on no index, and into the environment of this interpreter.
    """
    pip = f"{shlex.quote(sys.executable)} -m pip"
    return f"run in the folder of flashstep's sources: {pip} install -c constraints.txt -e '.[{extra}]'"
