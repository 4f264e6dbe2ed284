"""How often a model is right on held-out questions and conversations.

Knows nothing of engines: it hands conversations to a function and gets turns. All items play at the same
time: in each round, every conversation that is not over gets its next turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flashstep.errors import ConfigError
from flashstep.training.evaluation.contamination import find_contamination
from flashstep.training.evaluation.item import Item, Play, shown, turn_seed
from flashstep.training.evaluation.report import Failure, Outcome, Report
from flashstep.training.evaluation.turn import Answer, Prompt, Turn
from flashstep.training.tasks.base import Split
from flashstep.types import Message


def evaluate(answer: Answer, items: Sequence[Item], *, split: Split = "eval", seed: int = 0) -> Report:
    """Play all items and judge them. `seed` chooses what is sampled, each turn by itself. ConfigError,
    before anything is asked, for an item that training could have seen, unless they are meant to be: `split`
    "train"."""
    if split == "eval" and (leaks := find_contamination(items)):
        raise ConfigError(
            f"{len(leaks)} eval questions are not held out, e.g. {leaks[0]}; fix the task family"
        )
    games = [_Game(item, f"{seed}:{item.label}:{index}") for index, item in enumerate(items)]
    while waiting := [game for game in games if game.outcome is None]:
        turns = answer([game.prompt() for game in waiting])
        for game, turn in zip(waiting, turns, strict=True):
            game.go_on(turn)
    return Report.of(game.outcome for game in games if game.outcome is not None)


@dataclass(slots=True)
class _Game:
    """An item being played. `name`: no other game's, for seeds."""

    item: Item
    name: str
    outcome: Outcome | None = None
    _messages: tuple[Message, ...] = ()  # the conversation that waits for an answer
    _play: Play = field(init=False)
    _num_turns: int = 0
    _reasoning_tokens: int = 0
    _soundness: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._play = self.item.begin()
        self._messages = next(self._play)

    def prompt(self) -> Prompt:
        """What the model is asked next. Were one seed for all, the wrong draws would come together."""
        return Prompt(self._messages, self.item.tools, turn_seed(f"{self.name}:{self._num_turns}"))

    def go_on(self, turn: Turn) -> None:
        """Go on with the turn that the model made. One that was cut is wrong, whatever it says so far."""
        self._num_turns += 1
        self._reasoning_tokens += turn.reasoning_tokens
        if not turn.is_whole:
            self.outcome = self._ended(turn.message, "an answer that ends")
            return
        try:
            following = self._play.send(turn.message)
        except StopIteration as end:
            self.outcome = self._ended(turn.message, end.value)
        else:
            self._check(turn.message)
            self._messages = following

    def _check(self, turn: Message) -> None:
        """Note whether the reasoning of a right turn leads to it."""
        if self.item.is_sound is not None:
            self._soundness.append(self.item.is_sound(self._messages, turn))

    def _ended(self, turn: Message, expected: str | None) -> Outcome:
        label = self.item.label
        if expected is None:
            self._check(turn)
            is_sound = all(self._soundness) if self._soundness else None
            return Outcome(label, self._reasoning_tokens, None, is_sound)
        asked = next(message.content for message in reversed(self._messages) if message.role == "user")
        failure = Failure(label, asked, turn.reasoning or "", shown(turn), expected)
        return Outcome(label, self._reasoning_tokens, failure)
