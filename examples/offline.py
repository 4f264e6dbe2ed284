"""Asks many questions at once, straight from Python: no server, no HTTP, no network."""

import asyncio

from flashstep import ChatModel, Message, SamplingParams
from flashstep.cli.model_path import BUILT_IN
from flashstep.types import TextDelta

QUESTIONS = ("Which is larger, 9.11 or 9.9?", "What is 48 + 75?", "Spell the word lamp backwards.")


async def ask(model: ChatModel, question: str) -> str:
    """The answer to one question; `model.chat` streams reasoning, text, tool calls and one Finish."""
    events = model.chat(
        [Message("user", question)],
        (),
        SamplingParams(temperature=0),
        trace_id="offline",
        request_id=question,
    )
    return "".join([event.text async for event in events if isinstance(event, TextDelta)])


async def main() -> None:
    """Answer all questions in one batch."""
    model = ChatModel.load(BUILT_IN)
    try:
        answers = await asyncio.gather(*(ask(model, question) for question in QUESTIONS))
        for question, answer in zip(QUESTIONS, answers, strict=True):
            print(f"{question}\n  {answer}")
    finally:
        model.close()


if __name__ == "__main__":
    asyncio.run(main())
