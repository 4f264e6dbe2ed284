"""What a grammar must know of a tokenizer: the bytes of every token id, and which ids are control tokens.

Made once per engine. Control tokens never stand for their text: a grammar that wants one names it
(`<tool_call>`), and none can come up inside ordinary text.
"""

import threading
from collections.abc import Callable, Collection

import llguidance


class GrammarVocabulary:
    """Ids 0 <= id < size. Thread-safe.

    token_bytes: the bytes that an id stands for, empty for ids that the tokenizer does not use.
    control_token_ids: the tokenizer's added tokens; of a control token the bytes are its name.
    eos_token_ids: the checkpoint's ids that end a turn, at least one. `eos_ids`: those, ascending.
    """

    def __init__(
        self, size: int, token_bytes: Callable[[int], bytes], *,
        control_token_ids: Collection[int], eos_token_ids: Collection[int],
    ) -> None:  # fmt: skip
        self.size = size
        self.eos_ids = sorted(i for i in set(eos_token_ids) if i < size)
        self.token_bytes = token_bytes
        self._control_token_ids = sorted(i for i in control_token_ids if i < size)
        self._lock = threading.Lock()
        self._tokenizer: llguidance.LLTokenizer | None = None

    @property
    def tokenizer(self) -> llguidance.LLTokenizer:
        """The vocabulary as llguidance wants it; built at the first use, in half a second for 129K ids."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = self._build()
            return self._tokenizer

    def _build(self) -> llguidance.LLTokenizer:
        tokens = [self.token_bytes(i) for i in range(self.size)]
        wrapper = llguidance.TokenizerWrapper(_Tokens(tokens, self._control_token_ids, self.eos_ids[0]))
        return llguidance.LLTokenizer(wrapper, n_vocab=self.size, eos_token=self.eos_ids)


class _Tokens:
    """The attributes that llguidance reads from a tokenizer."""

    bos_token_id = None

    def __init__(self, tokens: list[bytes], special_token_ids: list[int], eos_token_id: int) -> None:
        self.tokens = tokens
        self.special_token_ids = special_token_ids
        self.eos_token_id = eos_token_id
        self._id_of_byte = {token[0]: i for i, token in enumerate(tokens) if len(token) == 1}

    def __call__(self, text: bytes) -> list[int]:
        """Some spelling of `text`. Only forced tokens would need the usual one: grammars forbid those
        (`no_forcing`)."""
        return [self._id_of_byte[byte] for byte in text if byte in self._id_of_byte]
