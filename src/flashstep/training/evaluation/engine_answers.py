"""Turns of a model in this process: all prompts of a round in one batch of the engine."""

from collections.abc import Sequence
from dataclasses import replace

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.llm import LLM
from flashstep.training.evaluation.turn import Answer, Prompt, Turn
from flashstep.types import SamplingParams


def engine_answers(
    llm: LLM, template: ChatTemplate, tokenizer: Tokenizer, params: SamplingParams
) -> Answer:  # fmt: skip
    """Answers by `llm`, with `params` but for the seed, which is each prompt's own."""

    def answer(prompts: Sequence[Prompt]) -> list[Turn]:
        ids = [template.encode(prompt.messages, prompt.tools) for prompt in prompts]
        made = llm.generate(ids, [replace(params, seed=prompt.seed) for prompt in prompts])
        return [
            Turn.of_tokens(completion.token_ids, prompt.tools, tokenizer, completion.is_whole)
            for prompt, completion in zip(prompts, made, strict=True)
        ]

    return answer
