"""Evaluation: a perfect and a broken answerer get what they deserve, and leaks are found."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.training import evaluation
from flashstep.training.data import tokenizer_corpus
from flashstep.training.evaluation import eval_examples, evaluate, find_contamination
from flashstep.training.tasks.base import LETTER_BREAK
from flashstep.training.tasks.questions import Wordings
from flashstep.training.tasks.registry import FAMILIES
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer

FAMILY_NAMES = tuple(FAMILIES)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(tokenizer_corpus(300), 512), path, builtin_template())
    return Tokenizer.load(path)


@pytest.fixture(scope="module")
def template(tokenizer) -> ChatTemplate:
    return ChatTemplate(builtin_template(), tokenizer)


def oracle(tokenizer, examples, spoil=lambda index, answer: answer):
    """Answers the examples in order as the training data would; `spoil` may change an answer."""

    def generate(prompts):
        assert len(prompts) == len(examples)
        answers = [spoil(i, e.answer.replace(LETTER_BREAK, "")) for i, e in enumerate(examples)]
        return [
            tokenizer.encode(f"{e.reasoning}\n</think>\n{answer}<|im_end|>")
            for e, answer in zip(examples, answers, strict=True)
        ]

    return generate


def test_a_perfect_answerer_gets_everything_right(tokenizer, template):
    examples = eval_examples(FAMILY_NAMES, 5, seed=1)
    report = evaluate(oracle(tokenizer, examples), template, tokenizer, n=5, seed=1)
    assert report.failures == ()
    assert list(report.results) == list(FAMILY_NAMES)
    for family, result in report.results.items():
        lengths = [len(tokenizer.encode(e.reasoning)) for e in examples if e.family == family]
        assert (result.accuracy, result.n) == (1.0, 5)
        assert result.mean_reasoning_tokens == pytest.approx(sum(lengths) / 5, abs=1.5)


def test_wrong_answers_are_counted_and_listed(tokenizer, template):
    examples = eval_examples(("letters", "outside"), 4, seed=2)
    generate = oracle(tokenizer, examples, lambda index, answer: "Paris." if index in (0, 5, 6) else answer)
    report = evaluate(generate, template, tokenizer, ("letters", "outside"), n=4, seed=2)
    assert report.to_json() == {
        "letters": {"accuracy": 0.75, "n": 4, "mean_reasoning_tokens": pytest.approx(35, abs=30)},
        "outside": {"accuracy": 0.5, "n": 4, "mean_reasoning_tokens": pytest.approx(25, abs=20)},
    }
    assert json.loads(json.dumps(report.to_json())) == report.to_json()
    first = report.failures[0]
    assert (first.question, first.answer) == (examples[0].question, "Paris.")
    assert first.reasoning == examples[0].reasoning
    assert first.expected == examples[0].answer.replace(LETTER_BREAK, "")


def test_an_answer_without_an_end_of_reasoning_is_wrong(tokenizer, template):
    examples = eval_examples(("outside",), 3, seed=0)
    never = [tokenizer.encode(e.answer) for e in examples]
    report = evaluate(lambda prompts: never, template, tokenizer, ("outside",), n=3)
    assert report.results["outside"].accuracy == 0.0


def test_the_table_names_every_family(tokenizer, template):
    examples = eval_examples(FAMILY_NAMES, 1, seed=0)
    report = evaluate(oracle(tokenizer, examples), template, tokenizer, n=1)
    text = io.StringIO()
    Console(file=text, width=100).print(report.table())
    assert all(family in text.getvalue() for family in FAMILY_NAMES)
    assert "100.0%" in text.getvalue()


def test_prompts_are_the_questions_in_order(tokenizer, template):
    examples = eval_examples(("letters",), 3, seed=5)
    seen = []

    def generate(prompts):
        seen.extend(prompts)
        return oracle(tokenizer, examples)(prompts)

    evaluate(generate, template, tokenizer, ("letters",), n=3, seed=5)
    for prompt, example in zip(seen, examples, strict=True):
        assert example.question in tokenizer.decode(prompt)


def test_an_unknown_family_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match="'chess'.*letters"):
        eval_examples(("chess",), 1, seed=0)


def test_the_eval_split_is_clean():
    assert find_contamination(eval_examples(FAMILY_NAMES, 200, seed=0)) == []


def test_a_trained_subject_is_found():
    example = eval_examples(("letters",), 1, seed=0)[0]
    leaked = dataclasses.replace(example, subject="banana")
    assert find_contamination([leaked]) == ["letters: subject 'banana' belongs to the train split"]


def test_a_wording_on_both_lists_is_found(monkeypatch):
    monkeypatch.setattr(evaluation, "wordings", lambda kind, split: Wordings(("Spell {w}!",), ()))
    assert "spelling: wording 'spell {w}' is in both lists" in find_contamination([])
