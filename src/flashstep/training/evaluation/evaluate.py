"""How often a model is right on held-out questions and conversations.

Knows nothing of engines: it hands prompts to a function, token ids in, replies out. All items play at
the same time: in each round, every conversation that is not over gets its next turn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.training.evaluation.contamination import find_contamination
from flashstep.training.evaluation.item import Item, Play, shown
from flashstep.training.evaluation.report import Failure, Outcome, Report
from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import read_turn
from flashstep.types import Message


class Reply(NamedTuple):
    """What a model generated, maybe with the id that ended it; is_whole False: it was cut before its end."""

    token_ids: Sequence[int]
    is_whole: bool = True


# Prompts (token ids) in, replies out, in the same order.
Generate = Callable[[list[list[int]]], Sequence[Reply]]


def evaluate(
    generate: Generate, template: ChatTemplate, tokenizer: Tokenizer, items: Sequence[Item],
    *, split: Split = "eval",
) -> Report:  # fmt: skip
    """Play all items and judge them. ConfigError, before anything is generated, for an item that training
    could have seen, unless they are meant to be: `split` "train"."""
    if split == "eval" and (leaks := find_contamination(items)):
        raise ConfigError(
            f"{len(leaks)} eval questions are not held out, e.g. {leaks[0]}; fix the task family"
        )
    games = [_Game(item) for item in items]
    while waiting := [game for game in games if game.outcome is None]:
        replies = generate([template.encode(game.prompt, game.item.tools) for game in waiting])
        for game, (token_ids, is_whole) in zip(waiting, replies, strict=True):
            game.reply(read_turn(token_ids, tokenizer, game.item.tools), tokenizer, is_whole)
    return Report.of(game.outcome for game in games if game.outcome is not None)


@dataclass(slots=True)
class _Game:
    """An item being played. `prompt` are the messages that wait for an answer."""

    item: Item
    outcome: Outcome | None = None
    prompt: tuple[Message, ...] = ()
    _play: Play = field(init=False)
    _reasoning_tokens: int = 0
    _soundness: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._play = self.item.begin()
        self.prompt = next(self._play)

    def reply(self, turn: Message, tokenizer: Tokenizer, is_whole: bool) -> None:
        """Go on with the turn that the model made. One that was cut is wrong, whatever it says so far."""
        self._reasoning_tokens += len(tokenizer.encode_plain(turn.reasoning or ""))
        if not is_whole:
            self.outcome = self._ended(turn, "an answer that ends")
            return
        try:
            following = self._play.send(turn)
        except StopIteration as end:
            self.outcome = self._ended(turn, end.value)
        else:
            self._check(turn)
            self.prompt = following

    def _check(self, turn: Message) -> None:
        """Note whether the reasoning of a right turn leads to it."""
        if self.item.is_sound is not None:
            self._soundness.append(self.item.is_sound(self.prompt, turn))

    def _ended(self, turn: Message, expected: str | None) -> Outcome:
        label = self.item.label
        if expected is None:
            self._check(turn)
            is_sound = all(self._soundness) if self._soundness else None
            return Outcome(label, self._reasoning_tokens, None, is_sound)
        asked = next(message.content for message in reversed(self.prompt) if message.role == "user")
        failure = Failure(label, asked, turn.reasoning or "", shown(turn), expected)
        return Outcome(label, self._reasoning_tokens, failure)
