"""`POST /v1/token/count`, `/tokenize` and `/detokenize`: the tokenizer and template over HTTP."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from flashstep.backends.prompt_encoding import in_thread
from flashstep.server.http.body import read_json
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

    async def count(self, request: Request) -> JSONResponse:
        """How many prompt tokens a conversation takes: `{"data": {"total_tokens": N}}`."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_count(raw)
        self._catalogue.check(wish.model)
        messages, tools = conversation(wish.messages, wish.tools, raw)
        token_ids = await in_thread(self._model.prompt_token_ids, messages, tools)
        return JSONResponse({"data": {"total_tokens": len(token_ids)}})

    async def tokenize(self, request: Request) -> JSONResponse:
        """The token ids of a text, or of a conversation's prompt."""
        raw = await read_json(request, self._settings.max_body_bytes)
        wish = parse_tokenize(raw)
        if wish.model is not None:
            self._catalogue.check(wish.model)
        return JSONResponse(await in_thread(self._tokenized, wish, raw))

    async def detokenize(self, request: Request) -> JSONResponse:
        """The text of token ids: `{"prompt": ...}`."""
        wish = parse_detokenize(await read_json(request, self._settings.max_body_bytes))
        if wish.model is not None:
            self._catalogue.check(wish.model)
        return JSONResponse({"prompt": await in_thread(self._model.detokenize, wish.tokens)})

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
            return self._model.prompt_token_ids(*conversation(wish.messages, wish.tools, raw))
        return self._model.tokenize(wish.prompt or "", control=wish.add_special_tokens is not False)
