"""What a user says who wants one of the everyday tools called, for one value or for several."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.everyday_tool import EverydayTool, Wish
from flashstep.training.tasks.tools.marks import content_words
from flashstep.training.tasks.tools.natural_values import natural_value
from flashstep.training.tasks.tools.parameters import Parameter, simple_value
from flashstep.training.tasks.tools.request import Request, listing
from flashstep.training.tasks.tools.summary import inside_a_sentence
from flashstep.training.tasks.wording import wrap

# Names and short words; dates and free texts are not listed like this.
_SEVERAL_KINDS = ("value", "place", "person", "code")
# What stands between the words of two values and belongs to neither.
_BETWEEN = " ,.;:!?/()-%`<>="
_SMALL_WORDS = "a|an|and|as|at|before|by|for|from|if|in|into|of|on|or|per|so|than|that|the|to|until|with"
_VALUE = re.compile(
    r"[\"'“‘]?\{(?P<number>\d+)\}(?:['’]s\b|[\"'”’])?"
    rf"(?P<after>(?: (?!(?:{_SMALL_WORDS})\b)[\w'’-]+)?)"
)
_QUOTED = re.compile(r"[\"']\{(\d+)\}[\"']")
_QUOTES = ('"{}"', '"{}"', "'{}'", "'{}'", "“{}”", "‘{}’")


def make_request(
    rng: random.Random, split: Split, entry: EverydayTool, declared: Declared
) -> tuple[str, Request]:
    """A request in words, and the call that it wants."""
    wish = rng.choice(entry.requests)
    values = _values(rng, split, entry)
    text = wish.plain if split == "eval" else _requoted(rng, wish.plain, values)
    said = _said(text, wish.task, entry)
    named = {i: wish.text.find(f"{{{i}}}") for i in said}
    named |= {i: _place(wish.text, declared.parameters[i], value) for i, value in wish.fixed.items()}
    arguments = {
        declared.parameters[i].name: wish.fixed.get(i, values[i])
        for i in sorted(named, key=named.__getitem__)
    }
    quotes = {declared.parameters[i].name: words.format(*values) for i, words in said.items()}
    asked = text.format(*values)
    return wrap(rng, split, asked), Request(declared, arguments, _task(asked, wish), quotes)


def make_several(
    rng: random.Random, split: Split, entry: EverydayTool, declared: Declared
) -> tuple[str, list[Request]] | None:
    """One request, without manners, for several values of one parameter, and the calls that it wants. None where no
    request of `entry` has a single value, unquoted, of a kind that is listed in one breath, or where the values
    drawn cannot be."""
    suited = [(wish, i) for wish in entry.requests if (i := _only_value(wish, entry)) is not None]
    if not suited:
        return None
    wish, number = rng.choice(suited)
    many = [_value(rng, split, entry.parameters[number]) for _ in range(rng.choice((2, 2, 3, 3, 4)))]
    values = [value for value in dict.fromkeys(many) if _is_listed(value)]
    if len(values) < 2:
        return None
    name, filled = declared.parameters[number].name, [listing(values, rng)] * len(entry.parameters)
    said = {name: _said(wish.plain, wish.task, entry)[number].format(*filled)}
    asked = wish.plain.format(*filled)
    first = Request(declared, {name: values[0]}, _task(asked, wish), said, {name: values})
    return asked, [first, *(replace(first, arguments={name: value}) for value in values[1:])]


def _is_listed(value: str) -> bool:
    """Whether a value is a name that a list may have; a longer text is one value, whatever it lists."""
    return len(value.split()) <= 2 and ", " not in value and " and " not in value


def _task(asked: str, wish: Wish) -> str:
    """What a request is about: all its words that say anything, by a rule, since nobody could tell which of them
    the writer of a request marked. What he marked where there are none."""
    return content_words(asked) or inside_a_sentence(wish.task)


def _only_value(wish: Wish, entry: EverydayTool) -> int | None:
    """The number of the placeholder, where there is one alone, of such a kind, and nothing else is set or quoted."""
    numbers = [int(number) for number in re.findall(r"\{(\d+)\}", wish.text)]
    if len(numbers) != 1 or wish.fixed or _QUOTED.search(wish.text):
        return None
    return numbers[0] if entry.parameters[numbers[0]]["kind"] in _SEVERAL_KINDS else None


def _requoted(rng: random.Random, text: str, values: Sequence[Any]) -> str:
    """The request with its quotation marks as others type them, none that a value has in itself."""

    def marks(found: re.Match[str]) -> str:
        value = str(values[int(found[1])])
        suited = [style for style in _QUOTES if not set(style) & set(value) - set("{}")]
        return rng.choice(suited or ['"{}"']).format(f"{{{found[1]}}}")

    return _QUOTED.sub(marks, text)


def _said(text: str, task: str, entry: EverydayTool) -> dict[int, str]:
    """The words that give every placeholder of a request: they begin where those of the one before ended, first
    of all behind the task where it stands before, and end with the value, a number with one word more ("for
    {0} nights"). So nothing is passed over, and where to begin need not be known from what comes."""
    said, start = {}, 0
    for found in _VALUE.finditer(text):
        if not said and text.find(task) < found.start():
            start = text.find(task) + len(task)
        is_number = entry.parameters[int(found["number"])]["kind"] in ("integer", "number")
        end = found.end() if is_number else found.start("after")
        said[int(found["number"])] = text[start:end].lstrip(_BETWEEN)
        start = end
    return said


def _place(text: str, parameter: Parameter, value: Any) -> int:
    """Where a request says in its own words that a parameter has a value: the end where no word tells."""
    words = [str(value), *parameter.words.split()]
    places = [text.lower().find(word.lower()) for word in words]
    return next((place for place in places if place >= 0), len(text))


def _values(rng: random.Random, split: Split, entry: EverydayTool) -> list[Any]:
    """A value for each parameter, no two alike: nobody drives from Oslo to Oslo."""
    values: list[Any] = []
    for each in entry.parameters:
        value = _value(rng, split, each)
        while value in values and each["kind"] != "boolean":
            value = _value(rng, split, each)
        values.append(value)
    return values


def _value(rng: random.Random, split: Split, parameter: dict[str, Any]) -> Any:
    match parameter["kind"]:
        case "value":
            return rng.choice(parameter["values"])
        case "enum":
            return rng.choice(parameter["options"])
        case "boolean":
            return True
        case "integer":
            return rng.randint(1, rng.choice((9, 30, 200)))
    if split == "train":
        return natural_value(rng, parameter["kind"]) or simple_value(rng, split, parameter["kind"])
    return simple_value(rng, split, parameter["kind"])
