"""What a conversation of several turns is, with tools and tool results, and how a turn of it is judged.

`Example` (base.py) is one question and its answer; `Dialogue` is everything longer. Its turns are judged
as a client sees them: the text that the model wrote, parsed into content and tool calls.
"""

import json
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from flashstep.chat.fold import fold
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tasks.base import LETTER_BREAK, Split
from flashstep.types import Message, Tool, ToolCall

# The turn that a model makes of the conversation so far and the declared tools.
Respond = Callable[[Sequence[Message], Sequence[Tool]], Message]
PARTS = "\t"  # between the values of one result, in the key of a truth


@dataclass(frozen=True, slots=True)
class Truth:
    """What a trained turn is judged by, besides its calls. `key` is the bare truth that its content must
    have ("" = none), of several results a line each, its values with PARTS between them; `family`, `subject`
    say which question it answers; `form`, how it must look."""

    key: str = ""
    family: str = ""
    subject: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation that ends in an assistant turn. All assistant turns are trained, or the last alone;
    each trained one has its truth. `subjects` are what the split was decided on. Texts of assistant
    turns may hold LETTER_BREAKs."""

    family: str
    messages: tuple[Message, ...]
    truths: tuple[Truth, ...]
    subjects: tuple[str, ...]
    tools: tuple[Tool, ...] = ()
    trains_all: bool = True

    def __post_init__(self) -> None:
        assert self.messages[-1].role == "assistant", "a dialogue ends in an assistant turn"
        assert len(self.truths) == len(self.turns), "every trained turn has a truth"

    @property
    def turns(self) -> tuple[int, ...]:
        """Where in `messages` the trained turns are."""
        answers = [i for i, message in enumerate(self.messages) if message.role == "assistant"]
        return tuple(answers if self.trains_all else answers[-1:])

    def truth(self, turn: int) -> Truth:
        """The truth of the trained turn at `messages[turn]`."""
        return self.truths[self.turns.index(turn)]

    def last_alone(self) -> "Dialogue":
        """The same conversation as a client sends it that does not send reasoning back: earlier turns have
        none, and only the last is trained."""
        earlier = (replace(without_breaks(m), reasoning=None) for m in self.messages[:-1])
        return replace(
            self, messages=(*earlier, self.messages[-1]), truths=self.truths[-1:], trains_all=False
        )


@dataclass(frozen=True, slots=True)
class DialogueFamily:
    """A kind of conversation. `verify(dialogue, turn, message)`: is `message` right in the place of
    `dialogue.messages[turn]`? `check_trace`, of the same arguments: does its reasoning lead to it? None =
    nobody can tell. `weight` is its share within its package. `in_both_splits`: of a family that is split by
    lists of its own (too), what is in both of them; None = it is split by its subjects alone."""

    generate: Callable[[random.Random, Split], Dialogue]
    verify: Callable[[Dialogue, int, Message], bool]
    weight: float
    wordings: tuple[str, ...]
    check_trace: Callable[[Dialogue, int, Message], bool] | None = None
    in_both_splits: Callable[[], list[str]] | None = None


def without_breaks(message: Message) -> Message:
    """`message` as a reader sees it, without LETTER_BREAKs in content and reasoning."""
    reasoning = message.reasoning
    return replace(
        message,
        content=message.content.replace(LETTER_BREAK, ""),
        reasoning=None if reasoning is None else reasoning.replace(LETTER_BREAK, ""),
    )


def read_turn(token_ids: Sequence[int], tokenizer: Tokenizer, tools: Sequence[Tool]) -> Message:
    """The turn that a completion spells: reasoning, content, calls with ids call_0, call_1, ..."""
    numbers = count()
    decoder = ResponseDecoder(tokenizer, tools=tools, new_id=lambda: f"call_{next(numbers)}")
    return fold([*decoder.feed(token_ids), *decoder.finish("stop")[0]])


def same_calls(expected: Sequence[ToolCall], made: Sequence[ToolCall]) -> bool:
    """True when both have the same names and arguments, in any order, whatever the ids. True is not 1."""
    return sorted(map(_call_text, expected)) == sorted(map(_call_text, made))


def play(dialogue: Dialogue, family: DialogueFamily) -> Generator[tuple[Message, ...], Message, int | None]:
    """Yields the conversation before each trained turn and is sent the turn that a model made of it. Each
    holds the turns that it made itself, with the recorded results of its calls and the recorded user messages
    between them. Ends with the first turn that is wrong, None when all are right."""
    history: list[Message] = []
    places: dict[str, int] = {}
    for turn, message in enumerate(dialogue.messages):
        if turn not in dialogue.turns:
            history.append(without_breaks(message))
            continue
        _sort_results(history, places)
        made = yield tuple(history)
        if not family.verify(dialogue, turn, made):
            return turn
        history.append(made)
        if message.tool_calls:
            new = _places(message.tool_calls, made.tool_calls)
            places |= new
            dialogue = _in_order_of(dialogue, turn, [new[call.id] for call in message.tool_calls])
    return None


def plays_well(dialogue: Dialogue, family: DialogueFamily, respond: Respond) -> bool:
    """True when a model gets every trained turn right on its own."""
    playing = play(dialogue, family)
    history = next(playing)
    while True:
        try:
            history = playing.send(respond(history, dialogue.tools))
        except StopIteration as end:
            return end.value is None


def _in_order_of(dialogue: Dialogue, turn: int, places: Sequence[int]) -> Dialogue:
    """The same with the truth of the turn behind `turn` in the order in which the model made its calls, if it
    has a line for each of them."""
    later = dialogue.turns.index(turn) + 1
    lines = dialogue.truths[later].key.split("\n") if later < len(dialogue.truths) else []
    if len(lines) != len(places):
        return dialogue
    key = "\n".join(line for _, line in sorted(zip(places, lines, strict=True)))
    truth = replace(dialogue.truths[later], key=key)
    return replace(dialogue, truths=(*dialogue.truths[:later], truth, *dialogue.truths[later + 1 :]))


def _places(recorded: Sequence[ToolCall], made: Sequence[ToolCall]) -> dict[str, int]:
    """Where the model put each recorded call, by the recorded call's id; both are the same calls."""
    texts = [_call_text(call) for call in made]
    places = {}
    for call in recorded:
        place = texts.index(_call_text(call))
        texts[place] = ""  # an equal second call has the next place
        places[call.id] = place
    return places


def _sort_results(history: list[Message], places: dict[str, int]) -> None:
    """Put the results at the end of `history` into the order of the calls that the model made: a prompt
    shows no ids."""
    start = len(history)
    while start and history[start - 1].role == "tool":
        start -= 1
    history[start:] = sorted(history[start:], key=lambda m: places.get(m.tool_call_id or "", 0))


def _call_text(call: ToolCall) -> str:
    return f"{call.name} {json.dumps(call.arguments, sort_keys=True)}"
