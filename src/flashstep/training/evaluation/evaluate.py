"""How often a model is right on held-out questions, and the proof that they are held out.

Questions come from the eval split of the task families; each is asked alone, without a system prompt,
and its answer is checked by the family's `verify`. Knows nothing of engines: it hands prompts to a
function, token ids in, token ids out.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rich.table import Table

from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.training.tasks.base import LETTER_BREAK, Example, Family, Split, split_of
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.registry import FAMILIES
from flashstep.types import Message, ReasoningDelta, TextDelta

# Prompts in, completions out, in the same order; a completion may include the id that ended it.
Generate = Callable[[list[list[int]]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A wrong answer, with what a right one looks like."""

    family: str
    question: str
    reasoning: str
    answer: str
    expected: str


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """One family's figures: accuracy in [0, 1] over `n` questions, reasoning length in tokens."""

    accuracy: float
    n: int
    mean_reasoning_tokens: float


@dataclass(frozen=True, slots=True)
class Report:
    """All families' figures, in the order asked for, and all wrong answers."""

    results: dict[str, FamilyResult]
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, dict[str, Any]]:
        """{family: {"accuracy": x, "n": n, "mean_reasoning_tokens": t}}."""
        return {family: asdict(result) for family, result in self.results.items()}

    def table(self) -> Table:
        """The figures for a terminal."""
        table = Table("family", title="Held-out questions answered correctly", title_justify="left")
        for heading in ("right", "asked", "accuracy", "reasoning tokens"):
            table.add_column(heading, justify="right")
        for family, result in self.results.items():
            right, share = round(result.accuracy * result.n), f"{result.accuracy:.1%}"
            table.add_row(family, str(right), str(result.n), share, f"{result.mean_reasoning_tokens:.1f}")
        return table


def evaluate(
    generate: Generate,
    template: ChatTemplate,
    tokenizer: Tokenizer,
    families: Sequence[str] = tuple(FAMILIES),
    n: int = 200,
    seed: int = 0,
) -> Report:
    """Ask `n` held-out questions of each family, all in one call of `generate`, and check the answers.

    The same seed asks the same questions. ConfigError for a family that does not exist and, before
    anything is generated, for a question that training could have seen.
    """
    examples = eval_examples(families, n, seed)
    leaks = find_contamination(examples)
    if leaks:
        raise ConfigError(
            f"{len(leaks)} eval questions are not held out, e.g. {leaks[0]}; fix the task family"
        )
    completions = generate([template.encode([Message("user", e.question)]) for e in examples])
    answers = [_decode(tokenizer, ids) for ids in completions]
    pairs = list(zip(examples, answers, strict=True))
    return Report(
        {family: _result([(e, a) for e, a in pairs if e.family == family]) for family in families},
        tuple(
            Failure(e.family, e.question, a.reasoning, a.content, e.answer.replace(LETTER_BREAK, ""))
            for e, a in pairs
            if not _is_right(e, a)
        ),
    )


def eval_examples(families: Sequence[str], n: int, seed: int) -> list[Example]:
    """The `n` eval questions of each family that `seed` stands for, family by family."""
    unknown = [family for family in families if family not in FAMILIES]
    if unknown:
        raise ConfigError(f"no task family is called '{unknown[0]}'; there are: {', '.join(FAMILIES)}")
    return [
        FAMILIES[family].generate(random.Random(f"{seed}:evaluation:{family}:{index}"), "eval")
        for family in families
        for index in range(n)
    ]


def find_contamination(examples: Iterable[Example]) -> list[str]:
    """What, if anything, of these eval examples the train generators could produce; empty = nothing.

    Train generators emit only subjects whose `split_of` is "train" and wordings of their own list, so
    it is enough that no eval subject has that split and no wording is on both lists. Wordings that
    differ in case or punctuation only count as the same.
    """
    leaks = []
    for name, family in FAMILIES.items():
        both = _normalised(family, "train") & _normalised(family, "eval")
        leaks += [f"{name}: wording '{wording}' is in both lists" for wording in sorted(both)]
    for example in examples:
        if FAMILIES[example.family].holds_out_subjects and split_of(example.subject) == "train":
            leaks.append(f"{example.family}: subject '{example.subject}' belongs to the train split")
    return leaks


@dataclass(frozen=True, slots=True)
class _Answer:
    reasoning: str
    content: str
    reasoning_tokens: int


def _decode(tokenizer: Tokenizer, token_ids: Sequence[int]) -> _Answer:
    decoder = ResponseDecoder(tokenizer)
    events = [*decoder.feed(token_ids), *decoder.finish("stop")[0]]
    return _Answer(
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        decoder.reasoning_tokens,
    )


def _is_right(example: Example, answer: _Answer) -> bool:
    return FAMILIES[example.family].verify(example, answer.content)


def _result(pairs: Sequence[tuple[Example, _Answer]]) -> FamilyResult:
    return FamilyResult(
        accuracy=fmean(_is_right(example, answer) for example, answer in pairs),
        n=len(pairs),
        mean_reasoning_tokens=fmean(answer.reasoning_tokens for _, answer in pairs),
    )


def _normalised(family: Family, split: Split) -> set[str]:
    return {normalised(text) for kind in family.wordings for text in wordings(kind, split).all()}
