"""`POST /v1/token/count`, `/tokenize` and `/detokenize`: the tokenizer and template over HTTP."""

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request

from flashstep.backends.prompt_encoding import in_thread
from flashstep.server.http.body import read_json
from flashstep.server.http.whole_response import WholeResponse
from flashstep.server.models import ModelCatalogue
from flashstep.server.served_model import ServedModel
from flashstep.server.settings import ServerSettings
from flashstep.server.tokens.protocol import (
    TokenizeRequest,
    conversation,
    parse_count,
    parse_detokenize,
    parse_tokenize,
)


class TokensEndpoint:
    """Counts, encodes and decodes. A `model` that is named must be one of the catalogue's."""

    def __init__(self, model: ServedModel, catalogue: ModelCatalogue, settings: ServerSettings) -> None:
        self._model = model
        self._catalogue = catalogue
        self._settings = settings

    async def count(self, request: Request) -> WholeResponse:
        """How many prompt tokens a conversation takes: `{"data": {"total_tokens": N}}`."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_count(raw)
        self._catalogue.check(wish.model)
        messages, tools = conversation(wish.messages, wish.tools, raw)
        encode = partial(self._model.prompt_token_ids, messages, tools)
        return _answered(lambda: {"data": {"total_tokens": len(encode())}})

    async def tokenize(self, request: Request) -> WholeResponse:
        """The token ids of a text, or of a conversation's prompt."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_tokenize(raw)
        if wish.model is not None:
            self._catalogue.check(wish.model)
        return _answered(partial(self._tokenized, wish, raw))

    async def detokenize(self, request: Request) -> WholeResponse:
        """The text of token ids: `{"prompt": ...}`."""
        wish = parse_detokenize(await read_json(request, self._settings.max_body_bytes))
        if wish.model is not None:
            self._catalogue.check(wish.model)
        return _answered(lambda: {"prompt": self._model.detokenize(wish.tokens)})

    def _tokenized(self, wish: TokenizeRequest, raw: dict[str, object]) -> dict[str, object]:
        token_ids = self._encode(wish, raw)
        answer: dict[str, object] = {
            "count": len(token_ids),
            "max_model_len": self._model.context_length,
            "tokens": token_ids,
        }
        if wish.return_token_strs:
            answer["token_strs"] = [self._model.detokenize((i,)) for i in token_ids]
        return answer

    def _encode(self, wish: TokenizeRequest, raw: dict[str, object]) -> list[int]:
        if wish.messages is not None:
            messages, tools = conversation(wish.messages, wish.tools, raw)
            is_opened = wish.add_generation_prompt is not False
            return self._model.prompt_token_ids(messages, tools, add_generation_prompt=is_opened)
        return self._model.tokenize(wish.prompt or "", control=wish.add_special_tokens is not False)


def _answered(work: Callable[[], dict[str, Any]]) -> WholeResponse:
    """What `work` returns, computed in the thread of long prompts unless the client has left by then."""
    return WholeResponse(partial(in_thread, work))
