"""Draft alignment on the compiled runner: what the MTP modules propose, against the naive chain.

With random weights the model's drafts are almost never right, so an oracle puts right ones (and now and
then a wrong one) in their place, also where the next module reads them; acceptance, rollback, rows that are
computed again and rows that need not be are then all in play.
"""

from dataclasses import replace

import numpy as np
import pytest
from driving import drain, prompt, request

from flashstep.engine.engine import Engine
from flashstep.engine.runner import Runner
from naive.forward import mtp, trunk

CHUNK = 24


class OracleRunner:
    """The real runner, whose own drafts are noted and replaced by the known answer. `handed`: what was put in
    their place, by the last row of the pass."""

    def __init__(self, runner: Runner, answer, wrong_at):
        self._runner = runner
        self._answer = answer
        self._wrong_at = wrong_at
        self.own_drafts: dict[int, list[int]] = {}
        self.handed: dict[int, list[int]] = {}
        self.num_rows: list[int] = []

    def __getattr__(self, name):
        return getattr(self._runner, name)

    def draft(self, batch):
        last = int(batch.positions_T[-1])
        known = [*self._answer, 0, 0, 0, 0][last + 2 : last + 5]
        handed = [x + 3 if last + 2 + i in self._wrong_at else x for i, x in enumerate(known)]
        is_whole = batch.append_token_ids_SJ[0, 0] == -1  # otherwise the prompt is not finished yet
        if is_whole:
            batch = replace(batch, append_token_ids_SJ=np.array([handed], np.int32))
            self.num_rows.append(len(batch.token_ids_T))
        own = self._runner.draft(batch)
        if is_whole:
            self.own_drafts[last], self.handed[last] = own[0].tolist(), handed
        return np.array([handed])


def naive_drafts(tensors, config, token_ids, hidden, last, handed) -> list[int]:
    """The whole chain again for the row at `last`, whose next token is known; each module reads what was
    handed out in the place of the draft before."""
    stream, u, drafts = list(token_ids[1 : last + 2]), hidden[: last + 1], []
    for depth in range(1, len(config.mtp) + 1):
        logits, u = mtp(tensors, config, depth, stream, u)
        drafts.append(int(logits[-1].argmax()))
        stream = [*stream[1:], handed[depth - 1]]
    return drafts


@pytest.mark.parametrize(
    "wrong_at", [(), (33, 37, 38, 43), tuple(range(100))], ids=["right", "mixed", "wrong"]
)
def test_drafts_are_those_of_the_naive_chain_whatever_was_accepted_before(
    toy_checkpoint, toy_tensors, toy_config, wrong_at
):
    runner = Runner.load(
        toy_checkpoint, weight_format="float32", num_threads=1, block_size=4, num_full_blocks=40,
        num_sliding_blocks=20, max_batch_tokens=CHUNK, max_sequences=1,
    )  # fmt: skip
    question = request(prompt=prompt(30), eos=frozenset(), max_tokens=20)
    plain = Engine(runner)
    plain.add(question)
    answer = [*question.prompt_token_ids, *drain(plain)["a"][0]]
    oracle = OracleRunner(runner, answer, wrong_at)
    engine = Engine(oracle, num_draft_tokens=3, max_passes=1)
    engine.add(question)
    assert [*question.prompt_token_ids, *drain(engine)["a"][0]] == answer
    runner.close()

    _, hidden = trunk(toy_tensors, toy_config, answer)
    assert len(oracle.own_drafts) >= 4
    for last, own in oracle.own_drafts.items():
        naive = naive_drafts(toy_tensors, toy_config, answer, hidden, last, oracle.handed[last])
        assert own == naive, f"row {last}"
    accepted = sum(engine.metrics.num_accepted_by_position)
    drafted = sum(engine.metrics.num_drafted_by_position)
    assert (accepted == drafted) == (wrong_at == ())
    assert (accepted == 0) == (len(wrong_at) == 100)
    # New rows and those computed again: all right, 4 + 0; all wrong, 1 + 2. First comes the prompt's end.
    rows = set(oracle.num_rows[1:])
    assert rows == {(): {4}, tuple(range(100)): {3}}.get(wrong_at, rows)
