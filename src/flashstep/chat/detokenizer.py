"""Token ids -> text, incrementally; never emits half a UTF-8 character.

Control tokens (`Tokenizer.is_special`) produce no text; markers such as `</think>` do. Every cut of the
same ids gives the same text. Bytes that can no longer become a character turn into U+FFFD.
"""

import codecs
from collections.abc import Iterable

from flashstep.chat.tokenizer import Tokenizer


class Detokenizer:
    """Holds the bytes of an unfinished character between calls."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_ids: Iterable[int]) -> str:
        """The text that is now complete."""
        tokenizer = self._tokenizer
        data = b"".join(tokenizer.token_bytes(i) for i in token_ids if not tokenizer.is_special(i))
        return self._decoder.decode(data)

    def flush(self) -> str:
        """What is left at the end: U+FFFD for an incomplete character, else nothing."""
        return self._decoder.decode(b"", final=True)
