"""What steers the next token: bias, thinking budgets, the order, and wishes that are refused."""

import numpy as np
import pytest
from driving import expected, make_engine, mixed_requests, prompt, request, run

from flashstep.engine.processors import LogitBias, processors_for
from flashstep.engine.think_end import FreeRun, ThinkEnd
from flashstep.errors import InvalidRequest

NEWLINE, MARKER = 20, 21
CLOSING = (NEWLINE, MARKER, NEWLINE)
FREE = -1


class Recorder:
    """A processor that allows everything and remembers what it was told."""

    free_run = None

    def __init__(self):
        self.accepted = []

    def apply(self, logits_V):
        return logits_V * 2

    def accept(self, token_id):
        self.accepted.append(token_id)


def forced_ids(processor, wanted, size=64):
    """Feed `wanted`, but what the processor forces instead of it; returns (text, what was forced where)."""
    text, forced = [], []
    for token_id in wanted:
        row = processor.apply(np.zeros(size, np.float32))
        allowed = np.flatnonzero(np.isfinite(row)).tolist()
        forced.append(allowed[0] if len(allowed) == 1 else FREE)
        text.append(token_id if len(allowed) == size else allowed[0])
        processor.accept(text[-1])
    return text, forced


@pytest.mark.parametrize(
    ("budget", "wanted", "text"),
    [
        (0, [1, 2, 3, 4], [20, 21, 20, 4]),
        (2, [1, 2, 3, 4, 5, 6], [1, 2, 20, 21, 20, 6]),
        (2, [1, 20, 3, 4, 5], [1, 20, 21, 20, 5]),  # the newline is there already
        (3, [1, 21, 3, 4, 5], [1, 21, 3, 4, 5]),  # closed by the model itself
        (2, [1, 21, 3, 4, 5], [1, 21, 3, 4, 5]),  # and with the last token of the budget
        (9, [1, 2, 3], [1, 2, 3]),
        (None, [1, 2, 3], [1, 2, 3]),
    ],
    ids=str,
)
def test_a_budget_closes_the_reasoning_in_the_templates_own_way(budget, wanted, text):
    assert forced_ids(ThinkEnd(CLOSING, MARKER, budget), wanted)[0] == text


def test_a_closing_of_several_ids_in_front_of_the_marker_goes_on_where_the_text_stands():
    closing = (5, 5, 6, MARKER)
    for thought, rest in (([5, 5], [6, MARKER]), ([5, 5, 6], [MARKER]), ([6, 5], [5, 6, MARKER])):
        processor = ThinkEnd(closing, MARKER, len(thought))
        text, _ = forced_ids(processor, [*thought, *([9] * len(rest))])
        assert text == [*thought, *rest]


def test_what_holds_behind_the_reasoning_begins_behind_the_whole_closing_and_not_before():
    behind = Recorder()
    processor = ThinkEnd(CLOSING, MARKER, None, behind)
    text, forced = forced_ids(processor, [1, 2, MARKER, 9, 4, 5])
    assert text == [1, 2, MARKER, NEWLINE, 4, 5]
    assert forced == [FREE, FREE, FREE, NEWLINE, FREE, FREE]
    assert behind.accepted == [4, 5]
    row = np.ones(4, np.float32)
    assert processor.apply(row).tolist() == [2, 2, 2, 2]


def test_a_budget_that_runs_out_hands_over_to_what_holds_behind():
    behind = Recorder()
    text, _ = forced_ids(ThinkEnd(CLOSING, MARKER, 1, behind), [1, 9, 9, 9, 4])
    assert text == [1, *CLOSING, 4]
    assert behind.accepted == [4]


@pytest.mark.parametrize(
    ("said", "closing"), [([], CLOSING), ([1], CLOSING), ([1, NEWLINE], (MARKER, NEWLINE))], ids=str
)
def test_a_model_that_ends_its_turn_in_the_reasoning_closes_it_where_a_grammar_waits(said, closing):
    behind = Recorder()
    processor = ThinkEnd(CLOSING, MARKER, None, behind, {3, 7})
    for token_id in said:
        processor.accept(token_id)
    row = np.zeros(64, np.float32)
    row[[3, 9]] = 1, 2
    kept = processor.apply(row)
    assert np.flatnonzero(~np.isfinite(kept)).tolist() == [3, 7]
    assert kept[9] == 2
    row[3] = 5
    for forced in closing:
        assert np.flatnonzero(np.isfinite(processor.apply(row))).tolist() == [forced]
        processor.accept(forced)
    assert processor.apply(row)[3] == 10
    assert behind.accepted == []


def test_bias_is_added_and_leaves_the_models_logits_alone():
    row = np.zeros(5, np.float32)
    assert LogitBias([(1, 2.5), (3, -100.0)]).apply(row).tolist() == [0, 2.5, 0, -100, 0]
    assert not row.any()


def test_a_plain_request_has_no_processors_and_others_have_them_in_order():
    assert processors_for(request(seed=1, stop_token_ids=(5,)), 64, None) == ()
    assert processors_for(request(think_end=CLOSING), 64, None) == ()
    everything = request(
        presence_penalty=1.0, logit_bias=((1, 1.0),), thinking_token_budget=3, think_end=CLOSING
    )
    names = [type(p).__name__ for p in processors_for(everything, 64, None)]
    assert names == ["Penalties", "LogitBias", "ThinkEnd"]


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("acceptance", [0.6, 1.0])
def test_steered_requests_in_one_batch_equal_naive_generation(toy_config, num_draft_tokens, acceptance):
    requests = mixed_requests(16)
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, acceptance=acceptance)
    assert run(engine, requests) == expected(requests)


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_every_budget_gives_as_many_tokens_of_reasoning_and_then_the_closing(toy_config, num_draft_tokens):
    free = request(eos=frozenset())
    whole = expected([free])["a"][0]
    assert not {NEWLINE, MARKER} & set(whole[:10])
    for budget in (0, 1, 4, 10):
        engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens)
        wish = request(eos=frozenset(), thinking_token_budget=budget, think_end=CLOSING)
        token_ids, _ = run(engine, [wish])["a"]
        assert token_ids[: budget + 3] == [*whole[:budget], *CLOSING]


def test_a_bias_of_100_decides_and_one_of_minus_100_forbids(toy_config):
    engine = make_engine(toy_config)
    first = run(engine, [request()])["a"][0][0]
    assert run(engine, [request(logit_bias=((first, -100.0),))])["a"][0][0] != first
    chosen, _ = run(engine, [request(logit_bias=((50, 100.0),), max_tokens=9, temperature=1.0)])["a"]
    assert chosen == [50] * 9


@pytest.mark.parametrize("token_id", [-1, 380, 5000])
def test_a_bias_for_an_unknown_id_is_refused_by_name(toy_config, token_id):
    engine = make_engine(toy_config, num_valid_tokens=380)
    with pytest.raises(InvalidRequest, match=rf"logit_bias.*{token_id}.*\[0, 380\)") as refusal:
        engine.add(request(logit_bias=((token_id, 1.0),)))
    assert refusal.value.param == "logit_bias"
    assert not engine.has_work


def test_preemption_in_the_middle_of_a_closing_changes_nothing(toy_config):
    requests = [
        request(f"r{i}", prompt(20, i), max_tokens=40, thinking_token_budget=i + 3, think_end=CLOSING)
        for i in range(6)
    ]
    engine = make_engine(toy_config, num_draft_tokens=3, num_full_blocks=36)
    assert run(engine, requests) == expected(requests)
    assert engine.metrics.num_preemptions > 0


def test_a_free_run_ends_with_the_marker_or_in_front_of_an_end_of_the_turn():
    behind = Recorder()
    think_end = ThinkEnd(CLOSING, MARKER, None, behind, held_ids=[9])
    assert think_end.free_run == FreeRun(None, (MARKER,), (9,))
    think_end.accept(5)
    think_end.accept(9)
    assert think_end.free_run is None
    assert forced_ids(think_end, [5, 5, 5, 5])[1] == [*CLOSING, FREE]
    assert behind.accepted == [5]
    assert think_end.free_run is None, "what is behind decides"
    budget = ThinkEnd(CLOSING, MARKER, 2)
    budget.accept(5)
    assert budget.free_run == FreeRun(1, (MARKER,), ())
    budget.accept(6)
    assert budget.free_run is None
    for token_id in CLOSING:
        budget.accept(token_id)
    assert budget.free_run == FreeRun()
