"""Do the traces of counting, spelling, reversing and comparing lead to their answers? What they are about is read
from their first lines and worked again."""

import re
from collections.abc import Callable, Sequence

from flashstep.training.tasks import backwards, comparison, letters, spelling
from flashstep.training.tasks.base import Example
from flashstep.training.tasks.trace_steps import TraceCheck, mentions

_COMPARED = re.compile(r"(\d+(?:\.\d+)?) and (\d+(?:\.\d+)?):")


def check_comparison(question: str, reasoning: str, answer_text: str) -> bool:
    """True when both numbers are the question's and are compared digit by digit."""
    if not (found := _COMPARED.match(reasoning)):
        return False
    ways = (comparison.compare(*found.groups(), question, wants_larger=wants) for wants in (True, False))
    return any(
        _is_worked(way, found.groups(), reasoning) and comparison.verify(way, answer_text) for way in ways
    )


def _checks_word(
    heading: str, work: Callable[..., Example], verify: Callable[[Example, str], bool]
) -> TraceCheck:
    """A check of traces that begin with `heading` (a pattern), whose groups and the question are what `work`
    takes; what it makes is about a word of the question."""
    pattern = re.compile(heading)

    def check(question: str, reasoning: str, answer_text: str) -> bool:
        if not (found := pattern.match(reasoning)):
            return False
        worked = work(**found.groupdict(), question=question)
        return _is_worked(worked, [worked.subject], reasoning) and verify(worked, answer_text)

    return check


def _is_worked(worked: Example, given: Sequence[str], reasoning: str) -> bool:
    return worked.reasoning == reasoning and mentions(worked.question, given)


_WORD = "\n (?P<word>[a-z]+):"
PLAIN_TRACE_CHECKS: dict[str, TraceCheck] = {
    "letters": _checks_word(f"Letter (?P<letter>[a-z]):{_WORD}", letters.count_example, letters.verify),
    "spelling": _checks_word(f"Letters:{_WORD}", spelling.spell_example, spelling.verify),
    "backwards": _checks_word(f"Reverse:{_WORD}", backwards.reverse_example, backwards.verify),
    "comparison": check_comparison,
}
