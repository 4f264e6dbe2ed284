"""Tokens that are chosen freely first: what may come, what is thrown away, what comes in its place."""

import asyncio
from dataclasses import replace

import llguidance
import numpy as np
import pytest
from driving import prompt, request, run

from flashstep.chat.answer_grammar import grammar_for
from flashstep.engine.async_engine import AsyncEngine
from flashstep.engine.constraint import FreeRun, num_followed
from flashstep.engine.engine import Engine
from flashstep.engine.grammar import CompiledGrammars
from flashstep.engine.processors import Steering
from flashstep.engine.sampler import Sampler
from flashstep.engine.sequence import Sequence
from flashstep.types import AnswerRule, Tool
from naive.grammar_walk import EOS, vocabulary_of
from naive.picky import Picky
from naive.runner import FakeRunner

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"enum": ["°C", None, 7]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
GRAMMARS = (
    grammar_for(AnswerRule(json_schema=SCHEMA), []),
    grammar_for(AnswerRule(required_tools=(), max_calls=1), [Tool("weather", "", SCHEMA, {})]),
    'start: "ok"\n',
)


def recorded(monkeypatch) -> list[tuple[int, int]]:
    """Of every job of a sequence from here on: how many of the chosen tokens were kept, of how many."""
    kept, follow = [], Sequence.num_followed

    def num_followed(self, chosen):
        kept.append((follow(self, chosen), len(chosen)))
        return kept[-1][0]

    monkeypatch.setattr(Sequence, "num_followed", num_followed)
    return kept


def constrained(name, grammar, **params):
    return replace(request(name, prompt(4, len(name)), eos=EOS, **params), grammar=grammar)


@pytest.mark.parametrize("grammar", GRAMMARS)
@pytest.mark.parametrize("eos", [EOS, frozenset({2, 300})], ids=["own ends", "other ends"])
def test_what_is_allowed_one_by_one_is_what_a_mask_leaves(grammars, grammar, eos):
    rng = np.random.default_rng(3)
    everything, zeros_V = range(grammars.vocabulary.size), np.zeros(grammars.vocabulary.size, np.float32)
    for _ in range(3):
        masked, asked = (grammars.constraint(grammar, eos) for _ in range(2))
        for _ in range(50):
            allowed = [i for i in everything if asked.allows(i)]
            assert np.flatnonzero(np.isfinite(masked.narrow(zeros_V))).tolist() == allowed
            token_id = int(rng.choice(allowed))
            masked.accept(token_id)
            asked.accept(token_id)


def test_as_many_tokens_are_expected_as_were_right_without_a_break(grammars):
    constraint = grammars.constraint("start: /[a-z]{50}/\n", EOS)
    letter = next(i for i in range(12, 300) if grammars.vocabulary.token_bytes(i) == b"a")
    wrong = next(i for i in range(12, 300) if grammars.vocabulary.token_bytes(i) == b"{")
    assert constraint.free_run is None
    constraint.accept(letter)
    assert constraint.free_run is None, "a single pass makes one token"
    constraint.accept(letter)
    assert constraint.free_run == FreeRun(2, tuple(sorted(EOS)))
    assert num_followed(constraint, [letter, letter, wrong, letter]) == 2
    assert constraint.free_run is None
    constraint.accept(letter)  # the second choice, in the place of what was wrong
    assert constraint.free_run is None
    constraint.accept(letter)
    constraint.accept(letter)
    assert constraint.free_run == FreeRun(2, tuple(sorted(EOS)))


def test_the_second_choice_gives_the_distribution_of_the_tokens_that_may_come(toy_config, grammars):
    """Chi-square of sampled first tokens against the exact probabilities among the allowed ones."""
    grammar = "start: /[a-e]/\n"
    allowed = [i for i in range(grammars.vocabulary.size) if grammars.constraint(grammar, EOS).allows(i)]
    logits = np.random.default_rng(1).standard_normal(grammars.vocabulary.size).astype(np.float32)
    logits[allowed] += 4
    weights = np.exp(logits[allowed].astype(np.float64))
    assert 0.2 < weights.sum() / np.exp(logits.astype(np.float64)).sum() < 0.8, "both kinds of choices come"
    counts, num = dict.fromkeys(allowed, 0), 4000
    sampler = Sampler(grammars.vocabulary.size)
    for seed in range(num):
        asked = constrained("a", grammar, temperature=1.0, seed=seed)
        seq = Sequence(
            asked, max_total_tokens=100, num_drafts=0, arrived_s=0.0,
            steering=Steering.of(asked, grammars.vocabulary.size, grammars),
        )  # fmt: skip
        counts[next(iter(sampler.choices(seq, logits[None])))] += 1
    expected = weights / weights.sum() * num
    chi_square = float(((np.array(list(counts.values())) - expected) ** 2 / expected).sum())
    assert chi_square < chi_square_limit(len(allowed) - 1)


def chi_square_limit(freedom: int) -> float:
    """What chi-square exceeds once in a hundred thousand times, by Wilson and Hilferty."""
    return freedom * (1 - 2 / (9 * freedom) + 4.265 * (2 / (9 * freedom)) ** 0.5) ** 3


@pytest.mark.parametrize("params", [{}, {"temperature": 1.0}], ids=["greedy", "sampled"])
@pytest.mark.parametrize(("num_draft_tokens", "acceptance"), [(0, 1.0), (3, 0.0), (3, 0.7), (3, 1.0)])
def test_what_several_passes_chose_in_vain_changes_no_answer(
    toy_config, monkeypatch, params, num_draft_tokens, acceptance
):
    wishes = [
        *(constrained(f"held {i}", "any", seed=i, max_tokens=90, **params) for i in range(3)),
        replace(
            constrained("behind", "any", seed=5, thinking_token_budget=5, max_tokens=90, **params),
            think_end_token_ids=(20, 21, 20), think_end_marker_id=21,
        ),
        request("free", prompt(9, 1), eos=EOS, max_tokens=90, seed=7, **params),
    ]  # fmt: skip

    def engine(num_draft_tokens=0, **sizes):
        runner = FakeRunner(toy_config, num_full_blocks=800, num_sliding_blocks=400, **sizes)
        return Engine(runner, num_draft_tokens=num_draft_tokens, grammars=Picky(), clock=lambda: 0.0)

    alone = {wish.request_id: run(engine(max_passes=1), [wish])[wish.request_id] for wish in wishes}
    kept = recorded(monkeypatch)
    together = engine(num_draft_tokens, acceptance=acceptance)
    assert run(together, wishes) == alone
    together.check()
    for wish in wishes:
        answer = run(engine(num_draft_tokens, acceptance=acceptance), [wish])
        assert answer == {wish.request_id: alone[wish.request_id]}
    assert {n == most for n, most in kept} == {True, False}
    assert 0 in {n for n, _ in kept}


def test_a_request_that_gets_nothing_from_a_step_is_answered_all_the_same(toy_config, monkeypatch):
    async def answers(max_passes):
        runner = FakeRunner(toy_config, max_passes=max_passes)
        made = Engine(runner, grammars=Picky(), clock=lambda: 0.0)
        engine = AsyncEngine(made, max_live=9)
        wishes = [constrained(f"r{i}", "any", seed=i, max_tokens=60, temperature=1.0) for i in range(6)]
        found = await asyncio.gather(*(one(engine.submit(wish)) for wish in wishes))
        engine.close()
        return found

    async def one(stream):
        return [token_id async for output in stream for token_id in output.token_ids]

    kept = recorded(monkeypatch)
    assert asyncio.run(answers(8)) == asyncio.run(answers(1))
    assert 0 in {n for n, _ in kept}


@pytest.mark.parametrize("masks", ["behind every 64", "none"])
def test_means_of_a_grammar_are_given_anew_before_they_are_used_up(tokenizer, monkeypatch, masks):
    """Each letter of a counted pattern takes a new state of the lexer."""
    limits = llguidance.LLParserLimits(initial_lexer_fuel=1000, step_lexer_fuel=1000, verbose_errors=False)
    monkeypatch.setattr("flashstep.engine.grammar._PARSER_LIMITS", limits)
    if masks == "none":
        monkeypatch.setattr("flashstep.engine.grammar._TOKENS_PER_MASK", 1 << 30)
    grammars = CompiledGrammars(vocabulary_of(tokenizer))
    grammar = "start: /[a-z]{3000}/\n"
    constraint = grammars.constraint(grammar, EOS)
    letter = next(
        i for i in range(12, grammars.vocabulary.size) if grammars.vocabulary.token_bytes(i) == b"a"
    )
    num_accepted = 0
    while num_accepted < 3000 and constraint.allows(letter):
        constraint.accept(letter)
        num_accepted += 1
    assert (num_accepted == 3000) == (masks != "none")
    constraint.narrow(np.zeros(grammars.vocabulary.size, np.float32))
    assert any(map(constraint.allows, EOS))
    assert (constraint.failure is None) == (masks != "none")
    assert grammars.num_cached == (masks != "none"), "what has failed is compiled anew"
    assert grammars.constraint(grammar, EOS).allows(letter)
