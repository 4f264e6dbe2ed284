"""What steers the next token: bias, thinking budgets, the order, and wishes that are refused."""

import numpy as np
import pytest
from driving import expected, make_engine, mixed_requests, prompt, request, run

from flashstep.engine.constraint import FreeRun, num_followed
from flashstep.engine.processors import LogitBias, Steering
from flashstep.engine.think_end import ThinkEnd
from flashstep.errors import InvalidRequest

NEWLINE, MARKER = 20, 21
CLOSING = (NEWLINE, MARKER, NEWLINE)
FREE = -1


class Recorder:
    """A constraint that allows everything but 13 and remembers what it was told."""

    failure = None
    free_run = FreeRun(7, (3,))

    def __init__(self):
        self.accepted, self.refused = [], []

    def allows(self, token_id):
        return token_id != 13

    def refuse(self, token_id):
        self.refused.append(token_id)

    def narrow(self, logits_V):
        return np.where(np.arange(len(logits_V)) == 13, np.float32(-np.inf), logits_V)

    def accept(self, token_id):
        self.accepted.append(token_id)


def forced_ids(constraint, wanted, size=64):
    """Feed `wanted`, but what is forced instead of it; returns (text, what was forced where)."""
    text, forced = [], []
    for token_id in wanted:
        if not constraint.allows(token_id):
            constraint.refuse(token_id)
            row = np.zeros(size, np.float32)
            row[token_id] = 1
            [only] = np.flatnonzero(np.isfinite(constraint.narrow(row))).tolist()
            forced.append(only)
            text.append(only)
        else:
            forced.append(FREE)
            text.append(token_id)
        constraint.accept(text[-1])
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
        constraint = ThinkEnd(closing, MARKER, len(thought))
        text, _ = forced_ids(constraint, [*thought, *([9] * len(rest))])
        assert text == [*thought, *rest]


def test_what_holds_behind_the_reasoning_begins_behind_the_whole_closing_and_not_before():
    behind = Recorder()
    constraint = ThinkEnd(CLOSING, MARKER, None, behind)
    text, forced = forced_ids(constraint, [1, 13, MARKER, 9, 4, 5])
    assert text == [1, 13, MARKER, NEWLINE, 4, 5]
    assert forced == [FREE, FREE, FREE, NEWLINE, FREE, FREE]
    assert behind.accepted == [4, 5]
    assert constraint.free_run == FreeRun(7, (3,))
    assert not constraint.allows(13)
    constraint.refuse(13)
    assert behind.refused == [13]
    assert np.flatnonzero(~np.isfinite(constraint.narrow(np.ones(20, np.float32)))).tolist() == [13]


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
    constraint = ThinkEnd(CLOSING, MARKER, None, behind, {3, 7})
    for token_id in said:
        assert constraint.allows(token_id)
        constraint.accept(token_id)
    assert [token_id for token_id in range(64) if not constraint.allows(token_id)] == [3, 7]
    constraint.refuse(3)
    assert constraint.free_run is None
    row = np.zeros(64, np.float32)
    row[[3, 9]] = 1, 2
    kept = constraint.narrow(row)  # drawn, but not wanted most
    assert np.flatnonzero(~np.isfinite(kept)).tolist() == [3, 7]
    assert kept[9] == 2
    row[3] = 5
    for forced in closing:
        constraint.refuse(3)  # the same choice again, as a job of several passes and then a pass hear it
        assert np.flatnonzero(np.isfinite(constraint.narrow(row))).tolist() == [forced]
        assert [token_id for token_id in range(64) if constraint.allows(token_id)] == [forced]
        constraint.accept(forced)
    assert constraint.allows(3)
    assert behind.accepted == []


def test_bias_is_added_and_leaves_the_models_logits_alone():
    row = np.zeros(5, np.float32)
    assert LogitBias([(1, 2.5), (3, -100.0)]).apply(row).tolist() == [0, 2.5, 0, -100, 0]
    assert not row.any()


def test_nothing_steers_a_plain_request_and_others_have_processors_in_order():
    assert Steering.of(request(seed=1, stop_token_ids=(5,)), 64, None) == ((), None)
    assert Steering.of(request(think_end=CLOSING), 64, None) == ((), None)
    everything = request(
        presence_penalty=1.0, logit_bias=((1, 1.0),), thinking_token_budget=3, think_end=CLOSING
    )
    processors, constraint = Steering.of(everything, 64, None)
    assert [type(p).__name__ for p in (*processors, constraint)] == ["Penalties", "LogitBias", "ThinkEnd"]


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


def test_a_free_run_ends_with_the_marker_or_an_end_of_the_turn():
    behind = Recorder()
    think_end = ThinkEnd(CLOSING, MARKER, None, behind, held_ids=[9])
    assert think_end.free_run == FreeRun(None, (MARKER, 9))
    assert num_followed(think_end, [5, 9, 6]) == 1
    assert think_end.free_run is None
    assert forced_ids(think_end, [9, 5, 5, 5])[1] == [*CLOSING, FREE]
    assert behind.accepted == [5]
    assert think_end.free_run == behind.free_run, "what is behind decides"
    budget = ThinkEnd(CLOSING, MARKER, 2)
    budget.accept(5)
    assert budget.free_run == FreeRun(1, (MARKER,))
    budget.accept(6)
    assert budget.free_run is None
    assert num_followed(budget, [*CLOSING, 5, 6]) == 5
    assert budget.free_run == FreeRun()


def test_what_a_runner_chose_is_followed_through_the_closing_into_what_is_behind():
    behind = Recorder()
    think_end = ThinkEnd(CLOSING, MARKER, None, behind)
    assert num_followed(think_end, [1, 2, MARKER, NEWLINE, 4, 13, 5]) == 5
    assert (behind.accepted, behind.refused) == ([4], [13])
    assert num_followed(ThinkEnd(CLOSING, MARKER, None, behind), [1, MARKER, 4]) == 2, "the closing is forced"
