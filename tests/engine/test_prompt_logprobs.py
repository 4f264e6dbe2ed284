"""Scores of the prompt's own tokens: against the slow twin and the PyTorch model, however it is cut."""

import numpy as np
import pytest
import torch
from driving import VOCAB, WINDOW, make_engine, prompt, request

from flashstep.engine.llm import LLM
from flashstep.model.weights import load_model
from flashstep.types import SamplingParams
from naive.runner import context_of, logits_of
from naive.sample import log_softmax


def first_outputs(engine, requests):
    """id -> the first output; no later one may carry scores of the prompt."""
    for r in requests:
        engine.add(r)
    found = {}
    while engine.has_work:
        for request_id, output in engine.step():
            assert not (request_id in found and output.prompt_logprobs)
            found.setdefault(request_id, output)
        engine.check()
    return found


def naive_scores(token_ids):
    """Log-probability of each token but the first."""
    contexts = [context_of(token_ids[:n], WINDOW) for n in range(1, len(token_ids))]
    rows = [log_softmax(logits_of(context.hash, VOCAB)) for context in contexts]
    return [row[token_id] for row, token_id in zip(rows, token_ids[1:], strict=True)]


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("max_batch_tokens", [30, 64, 200])
def test_scores_equal_the_slow_ones_for_every_chunk_size(toy_config, num_draft_tokens, max_batch_tokens):
    lengths = (1, 2, 40, 100)
    requests = [request(f"r{n}", prompt(n, n), prompt_logprobs=0) for n in lengths]
    requests.append(request("plain", prompt(50)))
    engine = make_engine(
        toy_config, num_draft_tokens=num_draft_tokens, max_batch_tokens=max_batch_tokens, max_sequences=5
    )
    found = first_outputs(engine, requests)
    assert found["plain"].prompt_logprobs == ()
    for r in requests[:-1]:
        scores = found[r.request_id].prompt_logprobs
        assert [s.token_id for s in scores] == list(r.prompt_token_ids[1:])
        assert [s.logprob for s in scores] == pytest.approx(naive_scores(r.prompt_token_ids), abs=1e-5)


def test_the_best_alternatives_come_with_them(toy_config):
    asked = prompt(12)
    scores = first_outputs(make_engine(toy_config), [request(prompt=asked, prompt_logprobs=3)])["a"]
    for n, score in enumerate(scores.prompt_logprobs, start=1):
        slow = log_softmax(logits_of(context_of(asked[:n], WINDOW).hash, VOCAB))
        best = sorted(range(VOCAB), key=lambda i: -slow[i])[:3]
        assert [token_id for token_id, _ in score.top] == best


def test_preemption_scores_nothing_twice(toy_config):
    requests = [request(f"r{i}", prompt(20, i), max_tokens=40, prompt_logprobs=0) for i in range(6)]
    engine = make_engine(toy_config, num_full_blocks=36, max_batch_tokens=16)
    found = first_outputs(engine, requests)
    assert engine.metrics.num_preemptions > 0
    for r in requests:
        scores = [s.logprob for s in found[r.request_id].prompt_logprobs]
        assert scores == pytest.approx(naive_scores(r.prompt_token_ids), abs=1e-5)


@pytest.fixture(scope="module")
def torch_scores(toy_checkpoint):
    """Function from token ids to log-probabilities [T, V] by the PyTorch model, row t for token t + 1."""
    model = load_model(toy_checkpoint)

    def scores(token_ids):
        with torch.no_grad():
            logits = model.logits(model(torch.tensor([token_ids])))[0]
        return torch.log_softmax(logits.double(), -1).numpy()

    return scores


@pytest.mark.parametrize("options", [{"max_batch_tokens": 16}, {"max_batch_tokens": 128}], ids=str)
@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_prompt_and_answer_scores_are_those_of_the_model(
    toy_checkpoint, torch_scores, options, num_draft_tokens
):
    prompts = [prompt(n, n) for n in (2, 30, 61)]
    params = SamplingParams(temperature=0.0, max_tokens=12, ignore_eos=True, logprobs=2, prompt_logprobs=1)
    sizes = dict(num_threads=1, weight_format="float32", max_sequences=2, num_draft_tokens=num_draft_tokens)
    with LLM.load(toy_checkpoint, **sizes, **options) as llm:
        completions = llm.generate(prompts, params)
    for asked, completion in zip(prompts, completions, strict=True):
        slow = torch_scores([*asked, *completion.token_ids])
        spoken = [*completion.prompt_logprobs, *completion.logprobs]
        assert [s.token_id for s in spoken] == [*asked[1:], *completion.token_ids]
        exact = [row[s.token_id] for row, s in zip(slow[:-1], spoken, strict=True)]
        np.testing.assert_allclose([s.logprob for s in spoken], exact, atol=1e-3, rtol=0)
        assert [len(s.top) for s in spoken] == [1] * (len(asked) - 1) + [2] * 12
