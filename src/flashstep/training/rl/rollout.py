"""Rollouts: items played several times each by sampling from the policy, with what training needs of them.

Knows nothing of engines: it hands prompts to a function. All rollouts play at the same time: in each round,
every one that is not over gets its next turn. A turn's seed depends only on the run's seed, the step, the
item and the sibling, so a resumed run samples the same tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.llm import Completion
from flashstep.training.evaluation.item import Item, Play, turn_seed
from flashstep.training.rl.recipe import Truncation
from flashstep.training.tasks.dialogue import read_turn
from flashstep.types import Message, SamplingParams

# Prompts and their wishes in, completions with log-probabilities out, in the same order.
Sample = Callable[[list[list[int]], list[SamplingParams]], list[Completion]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One sampled turn. `token_ids` includes the token that ended it; `logprobs` are the engine's, one a
    token."""

    prompt_token_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(slots=True)
class Rollout:
    """One play of an item; `reward` None = left out. `is_truncated`: cut by a limit before its end."""

    item: Item
    turns: list[Turn] = field(default_factory=list)
    reward: float | None = None
    is_truncated: bool = False

    @property
    def num_tokens(self) -> int:
        """Sampled tokens of all turns."""
        return sum(len(turn.token_ids) for turn in self.turns)


# The rollouts of one item.
RolloutGroup = list[Rollout]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a turn may be: at most `turn_tokens`, and `row_tokens` together with its prompt; and what a
    rollout counts that hits one."""

    turn_tokens: int
    row_tokens: int
    truncation: Truncation = "wrong"


class Player:
    """Plays groups of rollouts with one tokenizer and template."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer, limits: Limits) -> None:
        self.template, self.tokenizer, self.limits = template, tokenizer, limits

    def fits(self, item: Item) -> bool:
        """True when the first prompt of `item` leaves room for a turn of full length."""
        prompt = self.template.encode(next(item.begin()), item.tools)
        return len(prompt) + self.limits.turn_tokens <= self.limits.row_tokens

    def play(self, items: Sequence[Item], group_size: int, seed: str, sample: Sample) -> list[RolloutGroup]:
        """`group_size` rollouts of each item. `seed` names the run and the step."""
        games = [
            [_Game(Rollout(item), f"{seed}:{i}:{k}") for k in range(group_size)]
            for i, item in enumerate(items)
        ]
        while waiting := [game for group in games for game in group if not game.is_over]:
            self._round(waiting, sample)
        return [[game.rollout for game in group] for group in games]

    def _round(self, games: list["_Game"], sample: Sample) -> None:
        """Give every game its next turn, or end it for want of room."""
        prompts = [self.template.encode(game.prompt, game.rollout.item.tools) for game in games]
        rooms = [min(self.limits.turn_tokens, self.limits.row_tokens - len(prompt)) for prompt in prompts]
        playing = [(g, p, r) for g, p, r in zip(games, prompts, rooms, strict=True) if r > 0]
        for game, room in zip(games, rooms, strict=True):
            if room <= 0:
                self._truncate(game)
        if not playing:
            return
        params = [SamplingParams(max_tokens=r, seed=g.seed, logprobs=0) for g, _, r in playing]
        completions = sample([prompt for _, prompt, _ in playing], params)
        for (game, prompt, _), completion in zip(playing, completions, strict=True):
            self._reply(game, prompt, completion)

    def _reply(self, game: "_Game", prompt: list[int], completion: Completion) -> None:
        logprobs = tuple(one.logprob for one in completion.logprobs)
        game.rollout.turns.append(Turn(tuple(prompt), tuple(completion.token_ids), logprobs))
        if completion.finish_reason == "length":
            game.rollout.is_truncated = True
            if self.limits.truncation != "judge":
                self._truncate(game)
                return
        game.reply(read_turn(completion.token_ids, self.tokenizer, game.rollout.item.tools))

    def _truncate(self, game: "_Game") -> None:
        game.rollout.is_truncated = True
        game.rollout.reward = None if self.limits.truncation == "leave-out" else 0.0
        game.is_over = True


class _Game:
    """A rollout being played. `prompt` are the messages that wait for an answer."""

    def __init__(self, rollout: Rollout, name: str) -> None:
        self.rollout, self.is_over = rollout, False
        self._name = name
        self._play: Play = rollout.item.begin()
        self.prompt: tuple[Message, ...] = next(self._play)

    @property
    def seed(self) -> int:
        """Of the next turn, in [0, 2^64)."""
        return turn_seed(f"{self._name}:{len(self.rollout.turns)}")

    def reply(self, turn: Message) -> None:
        """Go on with the turn that the model made; the end of the play is the reward, 1 when all turns were
        right, else 0."""
        try:
            self.prompt = self._play.send(turn)
        except StopIteration as end:
            self.rollout.reward = 1.0 if end.value is None else 0.0
            self.is_over = True
