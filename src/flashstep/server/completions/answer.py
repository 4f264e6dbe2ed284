"""Several prompts under one answer, streamed as chunks or folded into one object.

Choices are numbered as OpenAI does it: choice i of prompt p is number p * n + i. Prompts are
computed side by side, as many as the model computes at the same time, so that one large request
queues behind itself and does not fill the server's queue. Their key's tokens are taken for all of them
before the first runs, so that a call is refused as a whole or not at all.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from flashstep.backends.prompt_encoding import in_thread
from flashstep.errors import InvalidRequest
from flashstep.server.call import Call
from flashstep.server.completions.choice import ChoiceReader, Echo, Piece
from flashstep.server.completions.legacy_logprobs import LegacyLogprobs
from flashstep.server.completions.protocol import CompletionWish
from flashstep.server.envelope import UNFINISHED, UsageMeter, envelope, usage_object, wire_finish_reason
from flashstep.server.http.frame import DONE, frame
from flashstep.server.limits.admission import Reservation
from flashstep.server.merge import merged
from flashstep.server.service import Answer, GenerationService, Indexed
from flashstep.types import Usage

OBJECT = "text_completion"
Pieces = AsyncGenerator[tuple[int, Piece], None]


@dataclass(frozen=True, slots=True)
class CompletionAnswer:
    """An answer under way, whose `pieces` are (choice number, piece)."""

    wish: CompletionWish
    envelope: dict[str, Any]
    pieces: Pieces

    @property
    def num_choices(self) -> int:
        """Choices of all prompts together."""
        return len(self.wish.generations) * self.wish.n


def start(
    service: GenerationService, wish: CompletionWish, call: Call, check: Callable[[], None]
) -> CompletionAnswer:
    """One generation for each prompt; nothing runs before the pieces are read. check: raises what is wrong
    with one of several prompts, before any is computed. Raises NotFound."""
    # One prompt alone is like a generation of any other endpoint, also in what is recorded of a refusal.
    reservation = service.reserve(wish.generations, call) if len(wish.generations) > 1 else None
    answers = [service.start(generation, call, reservation) for generation in wish.generations]
    room = asyncio.Semaphore(max(1, service.model.max_concurrency // wish.n))
    streams = [_when_there_is_room(answer, room) for answer in answers]
    pieces = _pieces(merged(streams), _readers(wish, service), wish.n)
    if reservation is not None:
        pieces = _together(pieces, reservation, check)
    return CompletionAnswer(wish, envelope(answers[0], OBJECT), pieces)


async def _when_there_is_room(answer: Answer, room: asyncio.Semaphore) -> AsyncGenerator[Indexed, None]:
    async with room, aclosing(answer.events) as events:
        try:
            async for item in events:
                yield item
        except InvalidRequest as error:
            if error.param == "messages":  # what an engine calls its prompt
                error.param = "prompt"
            raise


def _readers(wish: CompletionWish, service: GenerationService) -> list[ChoiceReader]:
    return [
        ChoiceReader(
            echo=Echo.of(generation.prompt, service.model)
            if wish.echo and generation.prompt is not None
            else None,
            scored=generation.params.logprobs is not None,
            score_only=wish.score_only,
        )
        for generation in wish.generations
        for _ in range(wish.n)
    ]


async def _together(
    pieces: Pieces, reservation: Reservation, check: Callable[[], None]
) -> AsyncGenerator[tuple[int, Piece], None]:
    """The pieces of several prompts, if there is room for them all."""
    async with aclosing(pieces):
        await in_thread(check)
        async with reservation:
            async for numbered in pieces:
                yield numbered


async def _pieces(
    events: AsyncGenerator[tuple[int, Indexed], None], readers: list[ChoiceReader], n: int
) -> AsyncGenerator[tuple[int, Piece], None]:
    async with aclosing(events):
        async for prompt_index, (index, event) in events:
            number = prompt_index * n + index
            piece = readers[number].read(event)
            if piece is not None:
                yield number, piece


class UsageSum:
    """Token counts of several answers to several prompts, `n` each, also while they grow. score_only: nothing
    that was generated counts."""

    def __init__(self, n: int, *, score_only: bool) -> None:
        self._n = n
        self._score_only = score_only
        self._by_prompt: defaultdict[int, UsageMeter] = defaultdict(UsageMeter)

    def note(self, number: int, usage: Usage | None) -> None:
        """The counts of the answer with this choice number so far; None changes nothing."""
        self._by_prompt[number // self._n].note(number, usage)

    @property
    def total(self) -> Usage:
        """The counts of all answers together."""
        totals = [meter.total for meter in self._by_prompt.values()]
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in totals),
            completion_tokens=0 if self._score_only else sum(usage.completion_tokens for usage in totals),
            cached_tokens=sum(usage.cached_tokens for usage in totals),
        )


async def frames(answer: CompletionAnswer) -> AsyncGenerator[bytes, None]:
    """The event stream: a chunk a piece, the counts if they were asked for, the end mark. Raises
    BackendError when an answer failed."""
    wish = answer.wish
    counts = UsageSum(wish.n, score_only=wish.score_only)
    usage_slot: dict[str, Any] = {"usage": None} if wish.include_usage else {}
    num_open = answer.num_choices
    async with aclosing(answer.pieces) as pieces:
        async for number, piece in pieces:
            num_open -= piece.finish is not None
            counts.note(number, piece.usage)
            if wish.continuous_usage:
                usage_slot = {"usage": usage_object(counts.total)}
            yield frame({**answer.envelope, "choices": [piece.wire(number)], **usage_slot})
    if num_open:
        wire_finish_reason(UNFINISHED)
    if wish.include_usage:
        yield frame({**answer.envelope, "choices": [], "usage": usage_object(counts.total)})
    yield DONE


async def whole(answer: CompletionAnswer) -> dict[str, Any]:
    """The text_completion object: the fold of the pieces. Raises BackendError when an answer failed."""
    wish = answer.wish
    counts = UsageSum(wish.n, score_only=wish.score_only)
    folded = [Piece("", finish=UNFINISHED) for _ in range(answer.num_choices)]
    texts: list[list[str]] = [[] for _ in folded]
    scores = [LegacyLogprobs() for _ in folded]
    async with aclosing(answer.pieces) as pieces:
        async for number, piece in pieces:
            texts[number].append(piece.text)
            if piece.logprobs is not None:
                scores[number].extend(piece.logprobs)
            counts.note(number, piece.usage)
            if piece.finish is not None:
                folded[number] = replace(folded[number], finish=piece.finish)
    is_scored = wish.generations[0].params.logprobs is not None
    choices = [
        replace(piece, text="".join(text), logprobs=score if is_scored else None).wire(number)
        for number, (piece, text, score) in enumerate(zip(folded, texts, scores, strict=True))
    ]
    return {**answer.envelope, "choices": choices, "usage": usage_object(counts.total)}
