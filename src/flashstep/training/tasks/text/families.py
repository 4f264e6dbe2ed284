"""The families of letters, words and sentences beyond counting, spelling and reversing; `weight` is the
share within the package."""

from flashstep.training.tasks.base import Family
from flashstep.training.tasks.text import (
    anagram,
    edits,
    extremes,
    letter_positions,
    nth_letter,
    repeat,
    sentences,
    sorted_letters,
    sorted_words,
    vowels,
    word_length,
)
from flashstep.training.tasks.trace_steps import TraceCheck

TEXT_FAMILIES: dict[str, Family] = {
    "nth_letter": Family(nth_letter.generate, nth_letter.verify, 0.16, nth_letter.WORDINGS),
    "letter_positions": Family(
        letter_positions.generate, letter_positions.verify, 0.09, ("letter_positions",)
    ),
    "vowels": Family(vowels.generate, vowels.verify, 0.10, vowels.WORDINGS),
    "sorted_letters": Family(sorted_letters.generate, sorted_letters.verify, 0.08, ("sorted_letters",)),
    "word_length": Family(word_length.generate, word_length.verify, 0.08, ("word_length",)),
    "edits": Family(edits.generate, edits.verify, 0.14, edits.WORDINGS),
    "anagram": Family(anagram.generate, anagram.verify, 0.06, ("anagram",)),
    "extremes": Family(extremes.generate, extremes.verify, 0.08, extremes.WORDINGS),
    "sorted_words": Family(sorted_words.generate, sorted_words.verify, 0.08, ("sorted_words",)),
    "sentences": Family(sentences.generate, sentences.verify, 0.08, sentences.WORDINGS),
    "repeat": Family(repeat.generate, repeat.verify, 0.05, repeat.WORDINGS),
}
TEXT_TRACE_CHECKS: dict[str, TraceCheck] = {
    "nth_letter": nth_letter.check_trace,
    "letter_positions": letter_positions.check_trace,
    "vowels": vowels.check_trace,
    "sorted_letters": sorted_letters.check_trace,
    "word_length": word_length.check_trace,
    "edits": edits.check_trace,
    "anagram": anagram.check_trace,
    "extremes": extremes.check_trace,
    "sorted_words": sorted_words.check_trace,
    "sentences": sentences.check_trace,
    "repeat": repeat.check_trace,
}
