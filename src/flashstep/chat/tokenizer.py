"""Text <-> token ids for byte-level BPE tokenizers in the `tokenizer.json` format.

Text that spells a control token becomes that token only through `encode`; `encode_plain` works on a
tokenizer from which the added tokens were removed, so nothing a user writes can become one. The
template prints bos itself, so no post-processor is ever applied.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import tokenizers

from flashstep.chat.added_tokens import AddedTokens
from flashstep.errors import ConfigError

# Spelled out when decoding, whatever their flag says: the stream router looks for them.
MARKERS = frozenset(
    ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
)


class Tokenizer:
    """A loaded tokenizer. Ids are 0 <= id < vocab_size; a model may have more rows, which decode to
    nothing."""

    def __init__(self, state: dict[str, Any], bos_token: str = "", eos_token: str = "") -> None:
        """`state` is the parsed tokenizer.json, already checked (see `load`)."""
        added = state.get("added_tokens", [])
        self._added = AddedTokens({token["content"]: token["id"] for token in added})
        self._special = frozenset(
            token["id"] for token in added if token["special"] and token["content"] not in MARKERS
        )
        self._plain = _without_added_tokens(state, self._added)
        self._bytes = {i: content.encode() for i, content in self._added.contents.items()}
        self._prose: dict[int, bool] = {}
        base = max(state["model"]["vocab"].values(), default=-1)
        self.vocab_size = 1 + max([base, *self._added.contents])
        self.bos_token = bos_token
        self.eos_token = eos_token

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read `tokenizer.json` (and bos/eos from `tokenizer_config.json`) in folder `path`.

        ConfigError when the file is missing, is not JSON or is not a byte-level BPE tokenizer.
        """
        file = path / "tokenizer.json"
        state = read_json(file)
        if state is None:
            raise ConfigError(f"{file}: not found; a checkpoint folder needs a tokenizer.json")
        config = read_json(path / "tokenizer_config.json") or {}
        try:
            _check(state, file)
            return cls(state, _content(config.get("bos_token")), _content(config.get("eos_token")))
        except ConfigError:
            raise
        except Exception as error:  # the library raises nothing narrower
            raise ConfigError(
                f"{file}: is no tokenizer that can be loaded ({type(error).__name__}: {error})"
            ) from error

    @property
    def added_tokens(self) -> AddedTokens:
        """Control tokens and markers."""
        return self._added

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; text that spells an added token becomes that token."""
        ids: list[int] = []
        for piece, is_added in self._added.split(text):
            if is_added:
                ids.append(self._added.ids[piece])
            else:
                ids.extend(self.encode_plain(piece))
        return ids

    def encode_plain(self, text: str) -> list[int]:
        """Token ids of `text`, none of which is an added token, whatever the text spells."""
        # Not `encode`: the batch form lets other threads run meanwhile, and this one needs no offsets.
        ids: list[int] = self._plain.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, control tokens spelled out; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_id(self, content: str) -> int | None:
        """The id of the token spelled `content` (an added token, or a vocabulary entry in the byte-level
        alphabet); None when there is none."""
        added = self._added.ids.get(content)
        return self._plain.token_to_id(content) if added is None else added

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token stands for; empty for ids that the vocabulary does not use."""
        known = self._bytes.get(token_id)
        if known is None:
            piece = self._plain.id_to_token(token_id) if 0 <= token_id < self.vocab_size else None
            known = self._bytes[token_id] = _piece_bytes(piece or "")
        return known

    def is_prose(self, token_id: int) -> bool:
        """True for tokens that are text of an answer and no part of any markup: all without a `<`."""
        known = self._prose.get(token_id)
        if known is None:
            is_text = not self.is_special(token_id) and b"<" not in self.token_bytes(token_id)
            known = self._prose[token_id] = is_text
        return known

    def is_special(self, token_id: int) -> bool:
        """True for control tokens, which produce no text in an answer; False for the markers."""
        return token_id in self._special


def read_json(file: Path) -> dict[str, Any] | None:
    """The JSON object in `file`; None when there is no such file; ConfigError when it is no object."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not JSON ({error}); is the download complete?") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: holds a {type(value).__name__}, not a JSON object")
    return value


def _content(token: Any) -> str:
    """tokenizer_config.json names a token by its text or by an object with `content`."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _check(state: dict[str, Any], file: Path) -> None:
    """ConfigError unless `state` is a byte-level BPE tokenizer whose tables agree."""
    model = state.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict) or "merges" not in model:
        raise ConfigError(f"{file}: has no BPE model (model.vocab and model.merges); use a tokenizer.json")
    if not _has_byte_level(state.get("decoder")):
        raise ConfigError(f"{file}: the decoder is not ByteLevel; only byte-level BPE tokenizers are known")
    if any(not token["content"] for token in state.get("added_tokens", [])):
        raise ConfigError(f"{file}: an added token has no text; every text would contain it")
    vocab = model["vocab"]
    for left, right in map(_pair, model["merges"]):
        missing = [piece for piece in (left, right, left + right) if piece not in vocab]
        if missing:
            raise ConfigError(f"{file}: merge {left!r} + {right!r} needs {missing[0]!r}, which has no id")


def _has_byte_level(decoder: Any) -> bool:
    if not isinstance(decoder, dict):
        return False
    return decoder.get("type") == "ByteLevel" or any(map(_has_byte_level, decoder.get("decoders", ())))


def _pair(merge: Any) -> tuple[str, str]:
    """Both spellings of a merge: "a b" and ["a", "b"]."""
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left, right


def _without_added_tokens(state: dict[str, Any], added: AddedTokens) -> tokenizers.Tokenizer:
    """The same tokenizer with no way to produce an added token: they leave the vocabulary, too."""
    model = state["model"]
    needed = {piece for left, right in map(_pair, model["merges"]) for piece in (left, right, left + right)}
    vocab = {p: i for p, i in model["vocab"].items() if p not in added.ids or p in needed}
    plain = {
        **state,
        "added_tokens": [],
        "post_processor": None,
        "truncation": None,
        "padding": None,
        "model": {**model, "vocab": vocab},
    }
    return tokenizers.Tokenizer.from_str(json.dumps(plain))


@lru_cache(maxsize=1)
def _byte_of() -> dict[str, int]:
    """The byte-level alphabet: printable Latin-1 stands for itself, the rest for U+0100 and up, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + n): b for n, b in enumerate(others)}


def _piece_bytes(piece: str) -> bytes:
    alphabet = _byte_of()
    if not all(character in alphabet for character in piece):
        return piece.encode()  # no byte-level piece: an entry that only its own text can stand for
    return bytes(alphabet[character] for character in piece)
