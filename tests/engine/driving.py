"""What the engine tests share: requests, an engine on the hash-model runner, and driving it."""

from flashstep.engine.engine import Engine
from flashstep.model.config import ModelConfig
from flashstep.types import Request, SamplingParams
from naive.generate import generate
from naive.picky import Picky
from naive.runner import FakeRunner

VOCAB, WINDOW = 384, 5
EOS = frozenset({1, 2, 7})


def request(request_id="a", prompt=(5, 6, 7), *, eos=EOS, think_end=(), grammar=None, **params) -> Request:
    """A greedy request unless `params` say otherwise. think_end: ids, the middle one is the marker."""
    wishes = SamplingParams(**{"temperature": 0.0, "max_tokens": 20, **params})
    marker = think_end[len(think_end) // 2] if think_end else None
    return Request(
        request_id, f"trace-{request_id}", tuple(prompt), wishes, eos,
        think_end_token_ids=tuple(think_end), think_end_marker_id=marker, grammar=grammar,
    )  # fmt: skip


def prompt(length: int, salt: int = 0) -> tuple[int, ...]:
    """Token ids that differ by salt, free of stop ids."""
    return tuple(10 + (i * 7 + salt * 13) % 300 for i in range(length))


def mixed_requests(count=8, **params) -> list[Request]:
    """Greedy, sampled and penalised requests with prompts from 1 token to several chunks."""
    kinds = [
        {},
        {"temperature": 0.8, "top_p": 0.9},
        {"temperature": 1.2, "top_k": 20, "min_p": 0.02},
        {"frequency_penalty": 0.7, "presence_penalty": 0.3},
        {"temperature": 0.9, "repetition_penalty": 1.3},
        {"temperature": 0.7, "logit_bias": ((11, 4.0), (12, -100.0))},
        {"thinking_token_budget": 5, "think_end": (20, 21, 20)},
        {"temperature": 1.0, "thinking_token_budget": 0, "think_end": (20, 21, 20), "presence_penalty": 1.0},
    ]
    lengths = [1, 3, 17, 40, 90, 8, 64, 65]
    wishes = [{"seed": i, **kinds[i % 8], **params} for i in range(count)]
    return [request(f"r{i}", prompt(lengths[i % 8], i), **wishes[i]) for i in range(count)]


def make_engine(
    config: ModelConfig, *, num_draft_tokens=0, max_drafting_sequences=None, num_valid_tokens=None, **sizes
) -> Engine:
    """An engine on a `FakeRunner`; `sizes` go to the runner."""
    return Engine(
        FakeRunner(config, **sizes),
        num_draft_tokens=num_draft_tokens,
        max_drafting_sequences=max_drafting_sequences,
        num_valid_tokens=num_valid_tokens,
        grammars=Picky(),
        clock=lambda: 0.0,  # so that steps make as many passes as they may
    )


def run(engine: Engine, requests) -> dict[str, tuple[list[int], str]]:
    """Answer all requests, checking the engine after every step; id -> (token ids, reason)."""
    for r in requests:
        engine.add(r)
    return drain(engine)


def drain(engine: Engine) -> dict[str, tuple[list[int], str]]:
    """Step until nothing is live; every request must end in exactly one finish."""
    answers: dict[str, tuple[list[int], str]] = {}
    partial: dict[str, list[int]] = {}
    while engine.has_work:
        for request_id, output in engine.step():
            assert request_id not in answers, f"{request_id}: output after its finish"
            partial.setdefault(request_id, []).extend(output.token_ids)
            if output.finish_reason is not None:
                answers[request_id] = (partial[request_id], output.finish_reason)
        engine.check()
    assert set(answers) == set(partial)
    return answers


def expected(requests, context_length=1 << 30) -> dict[str, tuple[list[int], str]]:
    """The same by naive generation."""
    return {
        r.request_id: generate(r, vocab_size=VOCAB, window=WINDOW, context_length=context_length)
        for r in requests
    }
