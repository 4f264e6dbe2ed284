"""Where an answer ends, also in the middle of a step."""

import pytest
from driving import expected, make_engine, prompt, request, run

from flashstep.engine.sequence import Sequence
from flashstep.engine.stop import truncate


def make_sequence(room: int, **params) -> Sequence:
    return Sequence(
        request(eos=frozenset({9}), **params), max_total_tokens=3 + room, num_drafts=0,
        arrived_s=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("new", "room", "result"),
    [
        ([5], 4, ([5], None)),
        ([5, 6, 4], 4, ([5, 6, 4], None)),
        ([9], 4, ([9], "stop")),
        ([5, 9, 4], 4, ([5, 9], "stop")),
        ([5, 6, 4], 3, ([5, 6, 4], "length")),
        ([5, 6, 4, 8], 2, ([5, 6], "length")),
        ([5, 6, 9], 2, ([5, 6], "length")),
        ([5, 9], 2, ([5, 9], "stop")),
    ],
    ids=str,
)
def test_a_step_is_cut_at_the_first_end(new, room, result):
    assert truncate(make_sequence(room), new) == (*result, None)


def test_ignore_eos_goes_on_past_the_checkpoints_ids_but_not_past_the_callers_own():
    seq = make_sequence(5, ignore_eos=True, stop_token_ids=(8,))
    assert truncate(seq, [9, 9, 8, 4]) == ([9, 9, 8], "stop", None)


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_a_stop_id_among_accepted_drafts_ends_the_answer_there(toy_config, num_draft_tokens):
    free = request(eos=frozenset(), max_tokens=30)
    whole = expected([free])["a"][0]
    for position in (0, 1, 2, 3, 4, 5, 17):
        stop_id = whole[position]
        if stop_id in whole[:position]:
            continue
        engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens)
        answer = run(engine, [request(eos=frozenset(), max_tokens=30, stop_token_ids=(stop_id,))])
        assert answer["a"] == (whole[: position + 1], "stop")


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("length", [60, 77, 79])
def test_the_context_ends_an_answer_with_length(toy_config, num_draft_tokens, length):
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, num_full_blocks=20)
    assert engine.context_length == 80
    requests = [request(prompt=prompt(length), max_tokens=None, eos=frozenset())]
    answers = run(engine, requests)
    assert answers == expected(requests, context_length=80)
    assert len(answers["a"][0]) == 80 - length
