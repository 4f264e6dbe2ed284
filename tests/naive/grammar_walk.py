"""A tokenizer for tests of grammars, its vocabulary, and a writer without a model."""

from collections.abc import Iterable, Sequence

import numpy as np

from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.grammar import CompiledGrammars
from flashstep.engine.grammar_vocabulary import GrammarVocabulary

EOS = frozenset({1, 2, 4})
# What a careless or hostile writer would like to say in the middle of a value.
WISHES = (
    "\n</parameter>\n", '"', "}", "]", "</parameter>", "<parameter=a>\n", "</function>\n", "<function=f>",
    "null", "\n", "12", "1e999", "true", ", ", "<tool_call>", "</tool_call>", "</think>", "\\u0000",
    "ü日🎉", "None",
)  # fmt: skip


def vocabulary_of(tokenizer: Tokenizer, size: int | None = None) -> GrammarVocabulary:
    """The vocabulary of a tokenizer, padded up to `size`."""
    return GrammarVocabulary(
        size or tokenizer.vocab_size,
        tokenizer.token_bytes,
        control_token_ids=tokenizer.added_tokens.contents,
        eos_token_ids=EOS,
    )


def write(
    grammars: CompiledGrammars, grammar: str, rng: np.random.Generator, *,
    opening: Iterable[int] = (), wishes: Sequence[str] = WISHES, max_tokens: int = 600,
) -> tuple[list[int], bool]:  # fmt: skip
    """Random tokens that a grammar allows, with attempts at `wishes`; (ids, did it end by itself?).

    opening: ids to begin with, as far as they are allowed."""
    vocabulary = grammars.vocabulary
    id_of_byte = {vocabulary.token_bytes(i): i for i in range(12, vocabulary.size)}
    spelled = [[id_of_byte[bytes([b])] for b in wish.encode()] for wish in wishes]
    constraint = grammars.constraint(grammar, EOS)
    logits_V = np.zeros(vocabulary.size, np.float32)
    ids: list[int] = []
    pending = list(opening)
    while len(ids) < max_tokens:
        allowed = np.flatnonzero(np.isfinite(constraint.narrow(logits_V)))
        if not pending and rng.random() < 0.3:
            pending = list(spelled[rng.integers(len(spelled))])
        ends = [i for i in allowed.tolist() if i in EOS]
        if ends and not pending and rng.random() < 0.5:
            return ids, True
        token_id = pending.pop(0) if pending else int(rng.choice(allowed))
        if token_id not in allowed:
            pending.clear()
            token_id = int(rng.choice(allowed))
        if token_id in EOS:
            return ids, True
        ids.append(token_id)
        constraint.accept(token_id)
    return ids, False
