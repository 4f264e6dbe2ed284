"""Results that are kept: made once, forgotten in the order of their use, within their bytes."""

import pytest

from flashstep.chat.kept_results import KeptResults


def counted(max_bytes: int) -> tuple[KeptResults, list[str]]:
    """A function that doubles a text, and the texts for which it was called."""
    seen: list[str] = []

    def double(text: str) -> tuple[str]:
        seen.append(text)
        if not text:
            raise ValueError("nothing to double")
        return (text + text,)

    return KeptResults(double, max_bytes), seen


def test_a_result_is_made_once():
    double, seen = counted(10_000)
    assert [double("ab"), double("ab"), double("c")] == [("abab",), ("abab",), ("cc",)]
    assert seen == ["ab", "c"]


def test_what_was_not_used_for_the_longest_time_is_forgotten_when_the_bytes_are_used_up():
    double, seen = counted(10_000)
    for name in "ababac":
        double(name * 1400)  # with its result some 4,300 bytes
    double("a" * 1400)
    assert [text[0] for text in seen] == ["a", "b", "c"]
    double("b" * 1400)
    assert [text[0] for text in seen] == ["a", "b", "c", "b"]
    assert 0 < double.num_bytes <= 10_000


def test_a_result_that_is_larger_than_all_the_bytes_is_not_kept():
    double, _ = counted(10_000)
    assert double("a" * 9000) == ("a" * 18_000,)
    assert double.num_bytes == 0


def test_an_error_is_not_kept():
    double, seen = counted(10_000)
    for _ in range(2):
        with pytest.raises(ValueError, match="nothing to double"):
            double("")
    assert len(seen) == 2
