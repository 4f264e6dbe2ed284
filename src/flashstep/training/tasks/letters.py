"""Counting a letter in a word: spell the word, number each match, read off the last number.

Reasoning, always in lower case:

    Letter r:
     s1 t2 r3 #1 a4 w5 b6 e7 r8 #2 r9 #3 y10
    So r appears 3 times.
"""

import random
import re
from functools import cache
from string import ascii_lowercase

from flashstep.training.tasks.base import Example, Split, lettered
from flashstep.training.tasks.grammar import choose, widen
from flashstep.training.tasks.wording import dress, quoted
from flashstep.training.tasks.words import sample_word, written

# {p}: the letter as a plural ('r's), {s}: the letter as a noun (the letter r), {w}: the word.
TRAIN_PHRASINGS = (
    "How many {p} are in the word {w}?",
    "How many {p} are there in the word {w}?",
    "How many {p} are in {w}?",
    "How many {p} are there in {w}?",
    "How many {p} in {w}?",
    "How many {p} in the word {w}?",
    "How many {p} does {w} have?",
    "How many {p} does the word {w} have?",
    "How many {p} does {w} contain?",
    "How many {p} does the word {w} contain?",
    "How many {p} do you see in {w}?",
    "How many {p} can you find in {w}?",
    "How many {p} has {w}?",
    "How many {p} has the word {w} got?",
    "How many times does {s} appear in {w}?",
    "How many times does {s} appear in the word {w}?",
    "How many times does {s} occur in {w}?",
    "How many times does {s} occur in the word {w}?",
    "How many times does {s} show up in {w}?",
    "How many times is {s} in {w}?",
    "How many times is {s} used in {w}?",
    "How many times do you find {s} in the word {w}?",
    "How many times can {s} be found in {w}?",
    "How often does {s} appear in {w}?",
    "How often does {s} occur in the word {w}?",
    "How often is {s} in {w}?",
    "How often do you see {s} in {w}?",
    "Count the {p} in {w}.",
    "Count the {p} in the word {w}.",
    "Count {p} in {w}",
    "Count how many {p} are in {w}.",
    "Count how many times {s} appears in {w}.",
    "Count how often {s} occurs in {w}.",
    "Tell me how many {p} are in {w}.",
    "Tell me how many {p} there are in the word {w}.",
    "Tell me how often {s} appears in {w}.",
    "Tell me the number of {p} in {w}.",
    "Can you count the {p} in {w}?",
    "Can you tell me how many {p} are in {w}?",
    "Could you count the {p} in the word {w}?",
    "What is the number of {p} in {w}?",
    "What is the number of {p} in the word {w}?",
    "What's the number of {p} in {w}?",
    "What is the count of {s} in {w}?",
    "Number of {p} in {w}?",
    "number of {p} in {w}",
    "In the word {w}, how many {p} are there?",
    "In {w}, how many {p} are there?",
    "In {w}, how often does {s} appear?",
    "In the word {w}, how many times does {s} occur?",
    "In {w} how many times is {s} used?",
    "The word {w} has how many {p}?",
    "{w} contains how many {p}?",
    "{w}: how many {p}?",
    "For the word {w}, count the {p}.",
    "For {w}, give the number of {p}.",
    "Find the number of {p} in {w}.",
    "Find how many times {s} appears in {w}.",
    "Give me the number of {p} in the word {w}.",
    "Take the word {w}. How many {p} does it have?",
    "Look at the word {w}. How often does {s} occur in it?",
    "I wrote {w}. How many {p} did I write?",
    "Here is a word: {w}. Count the {p}.",
    "If you spell {w}, how many {p} do you write?",
    "When I spell {w}, how many {p} do I need?",
    "Do you know how many {p} are in {w}?",
    "I want to know how many {p} {w} has.",
)
EVAL_PHRASINGS = (
    "What's the total of {p} within {w}?",
    "Exactly how many {p} make up part of {w}?",
    "Work out how many {p} the word {w} includes.",
    "Please determine the number of {p} found in {w}.",
    "How frequently does {s} turn up in {w}?",
    "I need the count of {p} inside {w}.",
    "Within the word {w}, what is the number of {p}?",
    "Say how many {p} {w} has.",
    "Could you say how many times {s} is present in {w}?",
    "How many of the letters in {w} are {p}?",
    "Spelling {w}, how many {p} will I use?",
    "Give the frequency of {s} in the word {w}.",
    "Let me know how many {p} are inside {w}.",
    "Among the letters of {w}, how many times do we meet {s}?",
)

_NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_WORD = "[|the word|the word|the term|the name|the string|the text]"
_PATTERNS = (
    "[How many|What number of] {p} [are|are there|exist|can be found|are found|are present|are contained|appear|"
    f"occur|show up|do I see|will I find|would you count|do we have|did I put] [in|inside|within] {_WORD} {{w}}?",
    "[Count|Find|Determine|Calculate|Give|State|Report|Compute|Work out|Figure out|I need|I want|Give me|Tell me|"
    "Show me|Let me know|Find out|Check|Please give me|What is|What's] the [number|count|amount|total|total number|"
    f"exact number] of {{p}} [in|inside|within|contained in|found in|present in|used in|appearing in] {_WORD} {{w}}.",
    "How [often|many times|frequently] [does|will|can] {s} [appear|occur|show up|turn up|come up|come|get used|"
    f"be found|be seen|feature] [in|inside|within] {_WORD} {{w}}?",
    "[In|Inside|Within|Looking at|Considering|Given|Taking|Think of|Check] [the word|the term|the name|the string|] {w}, "
    "[how many {p} are there|how many {p} do you count|what is the number of {p}|how often does {s} appear|"
    "how many times does {s} occur|how many {p} can we find|how often is {s} used|how many {p} do you see]?",
    "[Say|Tell me|Work out|Determine|Check|Count|Find out|Do you know|Can you say] how many {p} "
    f"{_WORD} {{w}} [has|contains|includes|holds].",
    "[Say|Tell me|Work out|Check|Count|Find out|Do you know|Can you say] how [often|many times] {s} is [in|used in|"
    f"found in|part of] {_WORD} {{w}}.",
    "[Spelling|Writing|Typing|Reading|If I write|When I type|To spell] {w}, how many {p} [do I need|will I write|"
    "do I use|come up|are there|will I see|are needed]?",
    "[My teacher|My son|A friend|Someone|My boss|She|The quiz] asks how many {p} [are in|there are in] {w}.",
    "{w} [has|contains|includes|uses|holds|is written with|is spelled with] how many {p}?",
    "How many of the [characters|signs|letters] [of|in|from] {_WORD} {{w}} are {{p}}?".replace(
        "{_WORD} {{w}}", "{w}"
    ).replace("{{p}}", "{p}"),
    f"[Exactly|Just|In total,|Precisely|So] how many {{p}} [are in|are inside|does one find in|belong to|sit in|are part of] {_WORD} {{w}}?",
    "[Could you|Can you|Would you|Please|Will you] [say|tell me|count|check|find out|work out|see] how [many times|often] {s} [appears|occurs|is used|comes up|shows up|is found] in {w}[?|.]",
    f"[I need|I want|I require|I am looking for|I would like|I'd like] [the count|the number|the total|to know the number|to know the count|the amount] of {{p}} [in|within|for] {_WORD} {{w}}.",
    "[Among|Of|Out of|From] [all the letters|the letters|all letters] [in|of] {w}, how many [are {p}|times do you see {s}|times is it {s}|would be {p}]?",
    "[What is|What's|Give me|Give|Say|Tell me] the [frequency|tally|quantity|count] of {s} [in|within|inside|across] [|the term|the string] {w}.",
    "[Having spelled|After spelling|When spelling|Once I spell|To write|In spelling] {w}, how many {p} [did I use|are used|have I written|will be used|will there be|do we get]?",
)


@cache
def phrasings(split: Split) -> tuple[str, ...]:
    """The question templates of one split; of "train" the hand-written ones come first."""
    return widen(TRAIN_PHRASINGS, _PATTERNS, EVAL_PHRASINGS) if split == "train" else EVAL_PHRASINGS


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a letter that is in the word four times out of five, more likely a repeated one."""
    word = sample_word(rng, split)
    letter = _choose_letter(rng, word)
    phrasing = choose(rng, phrasings(split), len(TRAIN_PHRASINGS if split == "train" else EVAL_PHRASINGS))
    question = phrasing.format(
        p=_plural(rng, letter), s=_noun(rng, letter), w=quoted(rng, written(rng, word), 0.6)
    )
    count = word.count(letter)
    return Example(
        family="letters",
        question=dress(rng, split, question),
        reasoning=f"Letter {letter}:\n{_marked(word, letter)}\n"
        f"So {letter} appears {count} time{'' if count == 1 else 's'}.",
        answer=f"There is 1 '{letter}' in \"{lettered(word)}\"."
        if count == 1
        else f"There are {count} '{letter}'s in \"{lettered(word)}\".",
        key=str(count),
        subject=word,
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the only number in the answer, in digits or words, is the count."""
    text = answer_text.lower().replace(example.subject, " ")
    found = set(re.findall(r"\d+", text))
    found |= {str(n) for n, name in enumerate(_NUMBER_WORDS) if re.search(rf"\b{name}\b", text)}
    return found == {example.key}


def _choose_letter(rng: random.Random, word: str) -> str:
    absent = sorted(set(ascii_lowercase) - set(word))
    if rng.random() < 0.2:
        return rng.choice(absent)
    letters = sorted(set(word))
    return rng.choices(letters, [word.count(c) ** 2 for c in letters])[0]


def _marked(word: str, letter: str) -> str:
    line, seen = "", 0
    for index, c in enumerate(word, 1):
        line += f" {c}{index}"
        if c == letter:
            seen += 1
            line += f" #{seen}"
    return line


def _cased(rng: random.Random, letter: str) -> str:
    return letter.upper() if rng.random() < 0.15 else letter


def _plural(rng: random.Random, letter: str) -> str:
    forms = ("'{}'s", '"{}"s', "{}'s", "{}s", "letter {}'s", "letters {}", "letter {}", "'{}'", "`{}`s",
             "{}", "‘{}’s", "{}’s", "“{}”s", "letter '{}'", "occurrences of {}", "{} letters")  # fmt: skip
    weights = (6, 5, 6, 4, 2, 2, 2, 2, 1, 2, 1, 2, 1, 1, 1, 1)
    return rng.choices(forms, weights)[0].format(_cased(rng, letter))


def _noun(rng: random.Random, letter: str) -> str:
    article = rng.choice(("the letter ", "the letter ", "letter ", ""))
    return article + quoted(rng, _cased(rng, letter), 0.5)
