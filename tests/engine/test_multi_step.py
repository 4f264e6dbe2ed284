"""Steps of several passes: the compiled loop against its slow twin, the engine with and without it."""

import asyncio
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from driving import prompt, request

from flashstep.backends.chat_model import ChatModel
from flashstep.chat.fold import fold
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.batch import Batch, Continuation, DraftBatch
from flashstep.engine.batch_builder import Share
from flashstep.engine.block_manager import BlockManager
from flashstep.engine.config import EngineConfig
from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.llm import LLM
from flashstep.engine.multi_step import MultiStep
from flashstep.engine.processors import Steering
from flashstep.engine.runner import Runner
from flashstep.engine.sequence import Sequence
from flashstep.kernels.limits import MAX_STOP_IDS, MAX_TOKENS, TAIL
from flashstep.types import AnswerRule, Message, SamplingParams, Tool
from naive.decoding import decode

BLOCK, NUM_SEQUENCES, LENGTH = 4, 3, 21
WISHES = [(0.0, 0, 1.0, 0.0), (1.25, 0, 0.9, 0.0), (0.7, 12, 1.0, 0.05)]
EVERY_TABLE = np.arange(NUM_SEQUENCES * 10, dtype=np.int32).reshape(NUM_SEQUENCES, 10)


def toy_runner(path, num_threads=1) -> Runner:
    return Runner.load(
        path, weight_format="float32", num_threads=num_threads, block_size=BLOCK, num_full_blocks=30,
        num_sliding_blocks=30, max_batch_tokens=128, max_sequences=NUM_SEQUENCES,
    )  # fmt: skip


def batch_of(token_ids, first: int, logit_rows: str) -> Batch:
    """The rows of all sequences from position `first` on. logit_rows: "all" or "last"."""
    rows_each = len(token_ids[0])
    count = len(token_ids)
    starts = np.arange(count + 1) * rows_each
    wanted = np.arange(count * rows_each) if logit_rows == "all" else starts[1:] - 1
    return Batch(
        token_ids_T=np.array(token_ids, np.int32).reshape(-1),
        positions_T=np.tile(np.arange(first, first + rows_each), count).astype(np.int32),
        query_starts_S1=starts.astype(np.int32),
        full_table_SM=EVERY_TABLE[:count],
        sliding_table_SM=EVERY_TABLE[:count],
        logit_rows_R=wanted.astype(np.int32),
    )


def filled(token_ids):
    """For all three sequences, filled up with -1."""
    return np.array([[*token_ids] + [-1] * (MAX_STOP_IDS - len(token_ids))] * 3, np.int32)


def continuation(texts, hidden, num_passes, stop_ids=(), num_stale=2) -> Continuation:
    """Three sequences with different wishes, each behind its text."""
    rng = np.random.default_rng(5)
    return Continuation(
        num_passes=num_passes,
        num_valid_tokens=380,
        wishes_S4=np.array(WISHES),
        stop_ids_SM=filled(stop_ids),
        uniforms_SN=rng.random((NUM_SEQUENCES, MAX_TOKENS)),
        tails_SN=np.array([text[-TAIL:] for text in texts], np.int32),
        histories=[rows[-num_stale:].copy() for rows in hidden],
    )


def computed(runner: Runner):
    """Three texts, of which all tokens but the last are computed; and their hidden states."""
    texts = [list(prompt(LENGTH + 1, salt)) for salt in range(NUM_SEQUENCES)]
    batch = batch_of([text[:-1] for text in texts], 0, "last")
    hidden_TD = runner.forward(batch).hidden_TD.copy()
    following = DraftBatch(
        token_ids_T=np.array([text[1:] for text in texts], np.int32).reshape(-1),
        positions_T=batch.positions_T,
        query_starts_S1=batch.query_starts_S1,
        sliding_table_SM=batch.sliding_table_SM,
        append_token_ids_SJ=np.full((NUM_SEQUENCES, 3), -1, np.int32),
        hidden_TD=hidden_TD,
    )
    runner.draft(following)
    return texts, hidden_TD.reshape(NUM_SEQUENCES, LENGTH, -1)


def assert_same(fast, slow):
    assert fast.token_ids == slow.token_ids
    assert fast.emitted == slow.emitted
    np.testing.assert_allclose(fast.hidden_TD, slow.hidden_TD, rtol=1e-5, atol=1e-5)
    for a, b in zip(fast.histories, slow.histories, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("num_passes", [1, 2, 4])
@pytest.mark.parametrize("drafts", ["none", "wrong", "right"])
def test_the_compiled_loop_equals_pass_after_pass(toy_checkpoint, num_threads, num_passes, drafts):
    fast, slow = (toy_runner(toy_checkpoint, num_threads) for _ in range(2))
    texts, hidden = computed(fast)
    computed(slow)
    newest = [[text[-1]] for text in texts]
    going_on = continuation(texts, hidden, num_passes)
    rows = newest if drafts == "none" else [[*token, 30, 31, 32] for token in newest]
    if drafts == "right":  # of the first pass: random weights foretell nothing
        plain = slow.decode(batch_of(newest, LENGTH, "all"), replace(going_on, num_passes=4))
        rows = [[*token, *chosen[:3]] for token, chosen in zip(newest, plain.token_ids, strict=True)]
    batch = batch_of(rows, LENGTH, "all")
    found = fast.decode(batch, going_on)
    assert_same(found, decode(slow, batch, going_on))
    assert [len(emitted) for emitted in found.emitted] == [num_passes] * 3
    assert (found.emitted[0][0] == 4) == (drafts == "right")
    fast.close()
    slow.close()


def test_a_stop_id_ends_the_loop_for_all(toy_checkpoint):
    runner = toy_runner(toy_checkpoint)
    texts, hidden = computed(runner)
    batch = batch_of([[text[-1]] for text in texts], LENGTH, "all")
    whole = runner.decode(batch, continuation(texts, hidden, 8)).token_ids
    stop_id = next(x for x in whole[1][2:] if all(x not in row[:2] for row in whole))
    place = min(row.index(stop_id) for row in whole if stop_id in row)
    found = runner.decode(batch, continuation(texts, hidden, 8, stop_ids=(381, stop_id)))
    assert found.token_ids == [row[: place + 1] for row in whole]
    runner.close()


def test_a_stop_id_among_accepted_drafts_ends_the_loop(toy_checkpoint):
    fast, slow = (toy_runner(toy_checkpoint) for _ in range(2))
    texts, hidden = computed(fast)
    computed(slow)
    newest = [[text[-1]] for text in texts]
    chosen = slow.decode(batch_of(newest, LENGTH, "all"), continuation(texts, hidden, 4)).token_ids
    batch = batch_of([[*n, *c[:3]] for n, c in zip(newest, chosen, strict=True)], LENGTH, "all")
    going_on = continuation(texts, hidden, 4, stop_ids=(chosen[2][1],))
    found = fast.decode(batch, going_on)
    assert_same(found, decode(slow, batch, going_on))
    assert len(found.emitted[0]) == 1
    assert found.emitted[2][0] == 4, "what stands behind the stop id is cut by the engine"
    fast.close()
    slow.close()


def test_what_cannot_run_is_refused(toy_checkpoint, toy_config):
    runner = toy_runner(toy_checkpoint)
    texts, hidden = computed(runner)
    batch = batch_of([[text[-1]] for text in texts], LENGTH, "all")
    for num_passes in (0, 9):
        with pytest.raises(ValueError, match=f"{num_passes} passes"):
            runner.decode(batch, continuation(texts, hidden, num_passes))
    uneven = [[text[-1], 30] for text in texts]  # one draft, three modules
    with pytest.raises(ValueError, match="alone or with 3 drafts"):
        runner.decode(batch_of(uneven, LENGTH, "all"), continuation(texts, hidden, 2))
    with pytest.raises(ValueError, match="logits of all rows"):
        runner.decode(replace(batch, logit_rows_R=batch.logit_rows_R[1:]), continuation(texts, hidden, 2))
    bare = batch.full_table_SM.copy()
    bare[1, (LENGTH + 7) // BLOCK] = -1  # the eighth pass would write there
    with pytest.raises(ValueError, match="no valid block"):
        runner.decode(replace(batch, full_table_SM=bare), continuation(texts, hidden, 8))
    assert runner.decode(replace(batch, full_table_SM=bare), continuation(texts, hidden, 3)).token_ids
    runner.close()


def test_a_row_without_a_finite_best_logit_is_an_error(toy_config, toy_tensors, tmp_path):
    from safetensors.numpy import save_file

    damaged = dict(toy_tensors)
    damaged["lm_head.weight"] = np.full_like(damaged["lm_head.weight"], 3e38)
    toy_config.save(tmp_path)
    save_file(damaged, tmp_path / "model.safetensors", metadata={"format": "pt"})
    runner = toy_runner(tmp_path)
    texts, hidden = computed(runner)
    with pytest.raises(FloatingPointError, match="damaged"):
        runner.decode(batch_of([[t[-1]] for t in texts], LENGTH, "all"), continuation(texts, hidden, 4))
    runner.close()


@pytest.mark.parametrize("num_streams", [1, 3])
@pytest.mark.parametrize("wishes", [{"temperature": 0.0}, {"temperature": 1.0, "top_p": 0.9}])
def test_the_built_in_model_answers_the_same_in_one_pass_and_in_several_with_drafts_and_without(
    built_in_prompts, monkeypatch, num_streams, wishes
):
    prompts = built_in_prompts(num_streams, seed=4)
    params = [SamplingParams(max_tokens=120, seed=i, **wishes) for i in range(num_streams)]
    monkeypatch.setattr("flashstep.engine.multi_step._ALONE_S", 100.0)  # however slow the machine is
    monkeypatch.setattr("flashstep.engine.multi_step._LONGEST_S", 100.0)
    passes, decode_them = [], Runner.decode
    monkeypatch.setattr(
        Runner, "decode", lambda self, *args: passes.append(args[1].num_passes) or decode_them(self, *args)
    )
    found, accepted = {}, {}
    for num_drafts, max_passes in product((0, 3), (1, 8)):
        monkeypatch.setattr(Runner, "max_passes", max_passes)
        options = {"num_draft_tokens": num_drafts, "max_drafting_sequences": 8, "adaptive_drafting": False}
        passes.clear()
        with LLM.load(resolve_model_path(None), num_threads=2, prefix_cache=False, **options) as llm:
            answers = llm.generate(prompts, params)
            accepted[num_drafts, max_passes] = llm.engine.metrics.num_accepted_by_position
        found[num_drafts, max_passes] = [(a.token_ids, a.finish_reason) for a in answers]
        assert (max(passes, default=1) > 1) == (max_passes > 1)
    assert all(each == found[0, 1] for each in found.values())
    assert accepted[3, 1] == accepted[3, 8]
    assert sum(accepted[3, 1]) > 0


CALL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "", CALL, {"type": "function", "function": {"name": "weather", "parameters": CALL}})
ASKED = ("What is the weather in Paris?", "How many r are in strawberry?", "Thank you!")


@pytest.mark.parametrize("num_drafts", [0, 3])
@pytest.mark.parametrize("budget", [None, 11])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_required_calls_are_the_same_in_one_pass_and_in_several(monkeypatch, temperature, budget, num_drafts):
    monkeypatch.setattr("flashstep.engine.multi_step._ALONE_S", 100.0)
    monkeypatch.setattr("flashstep.engine.multi_step._LONGEST_S", 100.0)
    passes, decode_them = [], Runner.decode
    monkeypatch.setattr(
        Runner, "decode", lambda self, *args: passes.append(args[1].num_passes) or decode_them(self, *args)
    )
    followed, follow = [], Sequence.num_followed

    def num_followed(self, chosen):
        is_held = self.steering.constraint._is_closed
        followed.append((follow(self, chosen), len(chosen), is_held))
        return followed[-1][0]

    monkeypatch.setattr(Sequence, "num_followed", num_followed)

    async def answer(model, seed, question):
        params = SamplingParams(
            temperature=temperature, seed=seed, max_tokens=100, thinking_token_budget=budget
        )
        events = model.chat(
            [Message("user", question)], [WEATHER], params,
            rule=AnswerRule(required_tools=()), trace_id="t", request_id=f"r{seed}",
        )  # fmt: skip
        made = fold([event async for event in events])
        return made.reasoning, made.content, [(call.name, call.arguments) for call in made.tool_calls]

    async def all_of(model):
        together = await asyncio.gather(*(answer(model, i, question) for i, question in enumerate(ASKED)))
        return together + [await answer(model, i, question) for i, question in enumerate(ASKED)]

    found = []
    for max_passes in (1, 8):
        monkeypatch.setattr(Runner, "max_passes", max_passes)
        config = EngineConfig(
            num_draft_tokens=num_drafts, num_threads=2, adaptive_drafting=False, max_drafting_sequences=8
        )
        model = ChatModel.load(resolve_model_path(None), config)
        found.append(asyncio.run(all_of(model)))
        model.close()
    assert found[0] == found[1]
    assert all(reasoning for reasoning, _, _ in found[0])
    assert any(calls for _, _, calls in found[0])
    assert max(passes) > (4 if num_drafts == 0 else 1)
    assert max(kept for kept, _, is_held in followed if is_held) > 1, "of the answer itself"
    assert num_drafts or any(kept < chosen for kept, chosen, _ in followed)


def decoding(prompt_length=5, num_drafts=0, **params) -> Share:
    """The share of a sequence that decodes."""
    asked = request(prompt=prompt(prompt_length), **{"max_tokens": 100, **params})
    seq = Sequence(
        asked, max_total_tokens=prompt_length + asked.params.max_tokens, num_drafts=num_drafts, arrived_s=0.0,
        steering=Steering.of(asked, 384, None),
    )  # fmt: skip
    seq.append([9], now_s=0.0)
    seq.num_computed_tokens = prompt_length
    return Share(seq, 1 + num_drafts, num_drafts, wants_logits=True)


class Watch:
    """Says what time it is told to be."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def multi_step(pass_s=0.001, num_blocks=100, policy=None) -> MultiStep:
    """One whose last pass took so long, with one row."""
    blocks = BlockManager(
        block_size=4, num_full_blocks=num_blocks, num_sliding_blocks=num_blocks, window_tokens=5,
        num_stale_rows=2, num_lookahead=3,
    )  # fmt: skip
    watch = Watch()
    made = MultiStep(
        blocks, max_passes=8, num_modules=3, num_valid_tokens=384, draft_policy=policy, clock=watch
    )
    watch.now_s = pass_s
    made.measure(0.0, 1, 1)
    return made


def test_a_step_makes_as_many_passes_as_fit_into_its_time():
    assert multi_step(0.001).plan_passes([decoding()]) == 8
    assert multi_step(0.003).plan_passes([decoding()]) == 3
    assert multi_step(0.02).plan_passes([decoding()]) == 1
    # Four rows may take four times as long as one; with several streams there is twice the time.
    assert multi_step(0.001).plan_passes([decoding() for _ in range(4)]) == 5
    assert multi_step(0.0001).plan_passes([decoding(num_drafts=3)]) == MAX_TOKENS // 4


@pytest.mark.parametrize(
    "wishes",
    [
        {"logprobs": 0}, {"frequency_penalty": 0.5}, {"logit_bias": ((5, 1.0),)},
        {"thinking_token_budget": 0, "think_end": (20,)}, {"stop_token_ids": tuple(range(40, 49))},
    ],
    ids=lambda wishes: next(iter(wishes)),
)  # fmt: skip
def test_what_needs_the_engine_between_two_tokens_gets_single_passes(wishes):
    assert multi_step().plan_passes([decoding(), decoding(**wishes)]) == 1


def test_reasoning_goes_on_by_itself_until_its_budget_is_used_up():
    wishes = {"thinking_token_budget": 4, "think_end": (20,)}
    share = decoding(**wishes)
    assert multi_step().plan_passes([decoding(), share]) == 4
    going_on = multi_step().continuation([decoding(), share], 4)
    assert 20 in going_on.stop_ids_SM[1]
    assert 20 not in going_on.stop_ids_SM[0]
    assert share.sequence.num_followed([30, 31, 32]) == 3
    assert multi_step().plan_passes([decoding(), share]) == 1
    assert share.sequence.num_followed([33, 34]) == 1
    assert share.sequence.free_run is None, "the closing is forced"
    drafting = {"thinking_token_budget": 8, "think_end": (20,)}
    assert multi_step().plan_passes([decoding(num_drafts=3, **drafting)]) == 2, "eight tokens at most"


def test_sequences_of_a_kind_go_on_together():
    assert multi_step().plan_passes([decoding(), decoding(num_drafts=3)]) == 1
    few = decoding(num_drafts=3)
    assert multi_step(0.0).plan_passes([replace(few, query_len=3, num_drafts=2)]) == 1
    beginning = decoding(prompt_length=9)
    beginning.sequence.num_computed_tokens = 0
    assert multi_step(0.0).plan_passes([replace(beginning, query_len=10)]) == 1
    assert multi_step(0.0).plan_passes([replace(beginning, query_len=4, wants_logits=False)]) == 1


def test_a_first_token_comes_alone():
    first = decoding()
    del first.sequence.token_ids[-1]
    first.sequence.num_computed_tokens -= 1
    assert multi_step(0.0).plan_passes([first]) == 1
    assert multi_step(0.0).plan_passes([decoding()]) == 8


def test_ids_that_no_token_has_are_no_stop_ids():
    share = decoding(stop_token_ids=(384, 1 << 40, -5, 12))
    ids = multi_step().continuation([share], 2).stop_ids_SM
    assert sorted(ids[0].tolist()) == [-1, -1, -1, -1, 1, 2, 7, 12]


def test_passes_end_where_tokens_blocks_or_the_account_of_drafts_may_end():
    assert multi_step().plan_passes([decoding(), decoding(max_tokens=4)]) == 3
    assert multi_step(num_blocks=2).plan_passes([decoding()]) == 2  # 8 tokens, 5 are there; halves are tried
    assert multi_step(num_blocks=1).plan_passes([decoding()]) == 1
    policy = DraftPolicy(2.6)
    share = decoding(num_drafts=3)
    assert multi_step(0.0, policy=policy).plan_passes([share]) == 2
    assert policy.keeps(share.sequence, 0)
    assert multi_step(0.0, policy=policy).plan_passes([share]) == 1
    assert not policy.keeps(share.sequence, 0)


def test_numbers_that_were_drawn_ahead_are_used_once():
    ahead, one_by_one = (decoding(temperature=1.0, seed=3).sequence for _ in range(2))
    expected = [one_by_one.rng.random() for _ in range(9)]
    assert ahead.next_uniforms(6) == expected[:6]
    ahead.use_uniforms(2)
    assert ahead.next_uniforms(7) == expected[2:9]
