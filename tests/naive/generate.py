"""Generation without an engine: the whole context again for every token, one request at a time. A grammar is
that of `naive.picky`, in requests without reasoning."""

import math

from flashstep.types import Request
from naive.picky import may_come
from naive.runner import context_of, draft_of, logits_of
from naive.sample import biased, choose, forced, penalised, uniforms


def generate(request: Request, *, vocab_size: int, window: int, context_length: int = 1 << 30):
    """The answer to `request` by the hash model of `naive.runner`: (token ids, finish reason)."""
    params = request.params
    prompt = list(request.prompt_token_ids)
    limit = context_length - len(prompt)
    limit = limit if params.max_tokens is None else min(limit, params.max_tokens)
    numbers = iter(uniforms(params.seed or 0, 2 * limit if not params.is_greedy else 0))
    stops = {*params.stop_token_ids, *(() if params.ignore_eos else request.eos_token_ids)}
    generated: list[int] = []
    while True:
        logits = logits_of(context_of(prompt + generated, window).hash, vocab_size)
        logits = biased(penalised(logits, params, prompt, generated), params)
        chosen, demanded = choose(logits, params, next(numbers, 0.0)), forced(request, generated)
        if request.grammar and not may_come(chosen, len(generated)):
            left = [x if may_come(i, len(generated)) else -math.inf for i, x in enumerate(logits)]
            chosen = choose(left, params, next(numbers, 0.0))
        if demanded not in (None, chosen):
            chosen = demanded
            next(numbers, 0.0)  # of the second choice, which has nothing to choose
        generated.append(chosen)
        if generated[-1] in stops:
            return generated, "stop"
        if len(generated) == limit:
            return generated, "length"


def draft_counts(prompt, generated, *, vocab_size: int, window: int, acceptance: float, num_drafts: int):
    """(drafted, accepted) of a request without stop ids that generates exactly `generated`."""
    drafted = accepted = 0
    done = 1  # the prompt's last row gives the first token
    while done < len(generated):
        context = context_of([*prompt, *generated[:done]], window)
        count = min(num_drafts, len(generated) - done - 1)
        kept = 0
        for i in range(count):
            draft = draft_of(context, vocab_size, acceptance)
            if draft != generated[done + i]:
                break
            context = context.then(draft, window)
            kept += 1
        drafted += count
        accepted += kept
        done += kept + 1
    return drafted, accepted
