"""`POST /v1/completions`: body -> one generation a prompt -> pieces -> one stream or one object."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from flashstep.errors import ContextLengthExceeded
from flashstep.server.call import call_of
from flashstep.server.completions.answer import frames, start, whole
from flashstep.server.completions.protocol import CompletionWish, parse_completion
from flashstep.server.http.body import read_json
from flashstep.server.http.stream_response import StreamResponse
from flashstep.server.http.whole_response import WholeResponse
from flashstep.server.service import GenerationService
from flashstep.server.settings import ServerSettings


class CompletionsEndpoint:
    """Continues raw prompts."""

    def __init__(self, service: GenerationService, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings

    async def create(self, request: Request) -> Response:
        """Check the request and return the response that will produce the answer while it is sent."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_completion(raw, self._settings, self._service.model.vocab_size)
        answer = start(self._service, wish, call_of(request.scope), partial(self._check_lengths, wish))
        if not wish.stream:
            return WholeResponse(partial(whole, answer))
        return StreamResponse(frames(answer), keep_alive_s=self._settings.keep_alive_s, headers={})

    def _check_lengths(self, wish: CompletionWish) -> None:
        """Of several prompts the first would be answered before a later one is found too long."""
        limit = self._service.model.context_length
        for number, generation in enumerate(wish.generations):
            prompt = generation.prompt or ""
            num_tokens = len(prompt)
            if (
                isinstance(prompt, str) and len(prompt.encode("utf-8", "replace")) >= limit
            ):  # a token has a byte
                num_tokens = len(self._service.model.tokenize(prompt, control=True))
            if num_tokens >= limit:
                raise ContextLengthExceeded(
                    f"prompt[{number}]: {num_tokens} tokens, and the context of {limit} must also "
                    "hold the answer; shorten it",
                    param="prompt",
                )
