"""Writing a word backwards: number its letters, list them from the last to the first, join."""

import random
import re
from functools import cache

from flashstep.training.tasks.base import Example, Split, lettered
from flashstep.training.tasks.grammar import choose, widen
from flashstep.training.tasks.spelling import letter_line
from flashstep.training.tasks.wording import dress, quoted
from flashstep.training.tasks.words import sample_word, written

TRAIN_PHRASINGS = (
    "Write {w} backwards.",
    "Write the word {w} backwards.",
    "Write {w} backwards",
    "write {w} in reverse",
    "Spell {w} backwards.",
    "Spell the word {w} backwards.",
    "Can you spell {w} backwards?",
    "Could you write {w} backwards?",
    "Reverse {w}.",
    "Reverse the word {w}.",
    "Reverse the letters of {w}.",
    "Reverse the string {w}.",
    "What is {w} backwards?",
    "What is {w} spelled backwards?",
    "What is the word {w} in reverse?",
    "What is the reverse of {w}?",
    "What's {w} backwards?",
    "What do you get when you reverse {w}?",
    "How do you write {w} backwards?",
    "How do you spell {w} backwards?",
    "How is {w} spelled backwards?",
    "Say {w} backwards.",
    "{w} backwards",
    "{w} backwards?",
    "{w} in reverse?",
    "Turn the word {w} around.",
    "Give me {w} backwards.",
    "Give me the letters of {w} in reverse order.",
    "Tell me what {w} is backwards.",
    "Tell me the reverse of the word {w}.",
    "Show {w} in reverse.",
    "If I read {w} backwards, what do I get?",
)
EVAL_PHRASINGS = (
    "Flip the word {w}.",
    "Flip {w} so that its last letter comes first.",
    "Print {w} in backwards order.",
    "How does {w} look when written backwards?",
    "Read {w} from the end to the start.",
    "Please put the letters of {w} in reverse order.",
    "What would {w} be if spelled in reverse?",
    "Backwards, what is the word {w}?",
    "Invert the order of letters in {w}.",
    "I would like {w} written backwards.",
    "Show me the word {w} reversed.",
    "Now say the word {w} from back to front.",
)
_WORD = "[|the word|the word|the term|the name|the string]"
_BACK = (
    "[backwards|in reverse|reversed|back to front|in reverse order|from end to start|from right to left|"
    "the other way round|from the last letter to the first|in backward order]"
)
_PATTERNS = (
    "[Write|Spell|Print|Type|Say|Read|Give me|Show me|Show|Output|Put|Return|Please write|Can you write|Try to say|"
    f"I want|I need|Could you spell|Write down|Tell me] {_WORD} {{w}} {_BACK}.",
    "[Reverse|Invert|Mirror|Turn around|Please reverse|Can you reverse|Could you flip] [|the word|the letters of|"
    "the order of the letters in|the spelling of|the string|the name|the order of letters in] {w}.",
    f"[What is|What's|What would be|What do I get for|How would you write|How do I say|How does one spell] {_WORD} "
    f"{{w}} {_BACK}?",
    "[Give me|Show|What is|Write|Find|Print|Tell me|I need] the [reverse|reversed form|mirror image|reversed "
    f"spelling|backward spelling] of {_WORD} {{w}}.",
    f"{{w}} {_BACK}[|?|, please]",
    f"[What|How] would {_WORD} {{w}} [be|look|sound|read|appear|come out] [if|when] [written|spelled|read|printed|said|typed] {_BACK}?",
    f"[I would like|I'd like|I want to see|I'd like to see|I would love|Could I have|Can I get|I wish to see|May I see] {_WORD} {{w}} [written|spelled|printed|] {_BACK}.",
    f"[Backwards|In reverse|Reversed|Back to front|Read backwards], [what is|what's|how do you spell|how do I write|what does one get for] {_WORD} {{w}}?",
    "[Flip|Mirror|Swap|Twist|Switch|Turn|Invert|Reflect] [the string|the term|the letters of|the letters in|the name|the text|all letters of|] {w} [around|over|for me|please|back to front|].",
    "[Put|Arrange|Order|Place|Write|Sort|List] the letters of {w} [in reverse|in the opposite order|the wrong way round|from last to first|backwards|from the last one to the first].",
    "[Write|Rewrite|Turn|Change|Print|Show] {w} so that [the last letter is first|it starts with its last letter|the letters run backwards|the first letter comes last|it ends with its first letter].",
    "[Start from the end of|Begin with the last letter of|Go backwards through|Walk back through] {_WORD} {{w}}.".replace(
        "{_WORD} {{w}}", "{w}"
    ),
    f"How [does|will|might|did] {_WORD} {{w}} [look|read|sound|appear] [if|when|once] [written|spelled|printed|typed|read] {_BACK}?",
)


@cache
def phrasings(split: Split) -> tuple[str, ...]:
    """The question templates of one split; of "train" the hand-written ones come first."""
    return widen(TRAIN_PHRASINGS, _PATTERNS, EVAL_PHRASINGS) if split == "train" else EVAL_PHRASINGS


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a word in reverse."""
    word = sample_word(rng, split)
    phrasing = choose(rng, phrasings(split), len(TRAIN_PHRASINGS if split == "train" else EVAL_PHRASINGS))
    reverse_line = "".join(f" {c}{index}" for index, c in reversed(list(enumerate(word, 1))))
    return Example(
        family="backwards",
        question=dress(rng, split, phrasing.format(w=quoted(rng, written(rng, word), 0.65))),
        reasoning=f"Reverse:\n{letter_line(word)}\nBackwards:\n{reverse_line}",
        answer=lettered(word[::-1]),
        key=word[::-1],
        subject=word,
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the last word of the answer is the reversed word."""
    return re.findall(r"[a-z]+", answer_text.lower())[-1:] == [example.key]
