"""Random lives of an engine: add, step, abort in any order, in pools that are often too small.

After every operation the block equation holds; every accepted request ends in exactly one finish;
whatever was not aborted has exactly the answer of naive generation.
"""

from driving import expected, make_engine, prompt, request
from hypothesis import given, settings
from hypothesis import strategies as st

from flashstep.model import presets
from flashstep.model.config import ModelConfig

CONFIG = ModelConfig.from_hf(presets.toy())

requests_st = st.builds(
    dict,
    length=st.integers(1, 60),
    temperature=st.sampled_from([0.0, 0.0, 0.8]),
    max_tokens=st.integers(1, 15),
    ignore_eos=st.booleans(),
    frequency_penalty=st.sampled_from([0.0, 0.0, 0.5]),
    logit_bias=st.sampled_from([(), (), ((33, 8.0), (34, -100.0))]),
    thinking_token_budget=st.sampled_from([None, None, 0, 1, 4]),
    think_end=st.sampled_from([(), (20, 21, 20), (20, 33, 22), (33,)]),
    prompt_logprobs=st.sampled_from([None, None, 0]),
    is_held=st.booleans(),
)
operations_st = st.lists(
    st.one_of(
        st.tuples(st.just("add"), requests_st),
        st.tuples(st.just("step"), st.integers(1, 4)),
        st.tuples(st.just("abort"), st.integers(0, 30)),
    ),
    max_size=30,
)
sizes_st = st.builds(
    dict,
    block_size=st.sampled_from([1, 3, 4, 16]),
    num_full_blocks=st.integers(75, 120),
    num_sliding_blocks=st.integers(8, 40),
    max_batch_tokens=st.integers(24, 64),
    max_sequences=st.integers(1, 4),
    num_draft_tokens=st.integers(0, 3),
    max_drafting_sequences=st.sampled_from([None, 1, 2]),
    acceptance=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    max_passes=st.sampled_from([1, 2, 4, 8]),
)


class Life:
    """One engine with what it was asked and what it answered."""

    def __init__(self, sizes):
        self.engine = make_engine(CONFIG, **sizes)
        self.requests = []
        self.answers: dict[str, list[int]] = {}
        self.reasons: dict[str, str] = {}

    def add(self, wishes):
        number = len(self.requests)
        length = wishes.pop("length")
        if wishes.pop("is_held") and not wishes["think_end"]:
            wishes["grammar"] = "picky"
        # Few different texts, so that prompts often begin alike.
        self.requests.append(request(f"r{number}", prompt(length, number % 3), seed=number, **wishes))
        self.engine.add(self.requests[-1])
        self.answers[f"r{number}"] = []

    def step(self, count):
        for _ in range(count):
            for request_id, output in self.engine.step():
                self.note(request_id, output)
            self.engine.check()

    def abort(self, number):
        output = self.engine.abort(f"r{number}")
        assert (output is None) == (f"r{number}" in self.reasons or number >= len(self.requests))
        if output is not None:
            self.note(f"r{number}", output)

    def note(self, request_id, output):
        assert request_id not in self.reasons, "an output behind the finish"
        self.answers[request_id] += output.token_ids
        if output.finish_reason is not None:
            self.reasons[request_id] = output.finish_reason


@settings(max_examples=120, deadline=None)
@given(sizes=sizes_st, operations=operations_st)
def test_any_order_of_operations_keeps_the_equation_and_finishes_everything_once(sizes, operations):
    life = Life(sizes)
    for name, argument in operations:
        getattr(life, name)(dict(argument) if isinstance(argument, dict) else argument)
        life.engine.check()
    for _ in range(5000):
        if not life.engine.has_work:
            break
        life.step(1)
    assert set(life.reasons) == set(life.answers)
    for request_id, (token_ids, reason) in expected(life.requests).items():
        if life.reasons[request_id] == "abort":
            assert life.answers[request_id] == token_ids[: len(life.answers[request_id])]
        else:
            assert (life.answers[request_id], life.reasons[request_id]) == (token_ids, reason)
