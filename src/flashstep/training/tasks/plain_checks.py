"""Do the traces of counting, spelling, reversing and comparing lead to their answers? What they are about is read
from their first lines and worked again."""

import re
from collections.abc import Callable, Sequence

from flashstep.training.tasks import backwards, comparison, letters, spelling
from flashstep.training.tasks.base import Example
from flashstep.training.tasks.trace_steps import TraceCheck, mentions

_LETTER = re.compile(r"Letter ([a-z]):\n ([a-z]+):")
_SPELLED = re.compile(r"Letters:\n ([a-z]+):")
_REVERSED = re.compile(r"Reverse:\n ([a-z]+):")
_COMPARED = re.compile(r"(\d+(?:\.\d+)?) and (\d+(?:\.\d+)?):")


def check_letters(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the word is the question's, and all of its letters and of the matches are numbered."""
    if not (found := _LETTER.match(reasoning)):
        return False
    letter, word = found.groups()
    worked = letters.count_example(word, letter, question)
    return _is_worked(worked, [word], reasoning) and letters.verify(worked, answer_text)


def check_comparison(question: str, reasoning: str, answer_text: str) -> bool:
    """True when both numbers are the question's and are compared digit by digit."""
    if not (found := _COMPARED.match(reasoning)):
        return False
    ways = (comparison.compare(*found.groups(), question, wants_larger=wants) for wants in (True, False))
    return any(
        _is_worked(way, found.groups(), reasoning) and comparison.verify(way, answer_text) for way in ways
    )


def _checks_word(
    heading: re.Pattern[str], work: Callable[[str, str], Example], verify: Callable[[Example, str], bool]
) -> TraceCheck:
    """A check of traces that begin with `heading`, which has the word."""

    def check(question: str, reasoning: str, answer_text: str) -> bool:
        if not (found := heading.match(reasoning)):
            return False
        worked = work(found[1], question)
        return _is_worked(worked, [found[1]], reasoning) and verify(worked, answer_text)

    return check


def _is_worked(worked: Example, given: Sequence[str], reasoning: str) -> bool:
    return worked.reasoning == reasoning and mentions(worked.question, given)


PLAIN_TRACE_CHECKS: dict[str, TraceCheck] = {
    "letters": check_letters,
    "spelling": _checks_word(_SPELLED, spelling.spell_example, spelling.verify),
    "backwards": _checks_word(_REVERSED, backwards.reverse_example, backwards.verify),
    "comparison": check_comparison,
}
