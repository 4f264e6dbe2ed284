"""Evaluation: a perfect and a broken answerer get what they deserve, and leaks are found."""

import dataclasses
import io
import json
import random
import subprocess
import sys
import zlib
from collections import Counter
from typing import NamedTuple

import pytest
from rich.console import Console

from flashstep.errors import ConfigError
from flashstep.training.evaluation import contamination
from flashstep.training.evaluation.contamination import find_contamination
from flashstep.training.evaluation.evaluate import evaluate
from flashstep.training.evaluation.gym import gym_families, gym_items, readings
from flashstep.training.evaluation.item import dialogue_item, question_item
from flashstep.training.evaluation.report import Failure, Outcome, Report
from flashstep.training.evaluation.suites import SUITES, eval_items, families_of
from flashstep.training.evaluation.turn import Turn
from flashstep.training.tasks.base import LETTER_BREAK, Example
from flashstep.training.tasks.dialogue import without_breaks
from flashstep.training.tasks.gym.entries import entries_of
from flashstep.training.tasks.question_families import FAMILIES, TRACE_CHECKS
from flashstep.training.tasks.questions import Wordings
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES
from flashstep.training.tasks.tools.everyday_tool import common_tools
from flashstep.types import Message

# What the first 20 questions of some families are, in brief (CRC-32).
DIGESTS = {
    "letters": 1876603667,
    "stories": 328302349,
    "talk_persona": 579146751,
    "tool_single": 3039812223,
    "tool_abstain": 2136973756,
    "tool_parallel": 1469010878,
    "tool_chain": 2416359127,
    "tool_retry": 915915550,
    "tool_everyday": 2554668083,
}


class Reply(NamedTuple):
    """What a model generated."""

    token_ids: list[int]
    is_whole: bool = True


def judged(generate, template, tokenizer, items, **options) -> Report:
    """The evaluation of a model of tokens: `generate` gets prompts as ids and makes a Reply of each."""

    def answer(prompts):
        replies = generate([template.encode(prompt.messages, prompt.tools) for prompt in prompts])
        return [
            Turn.of_tokens(reply.token_ids, prompt.tools, tokenizer, reply.is_whole)
            for prompt, reply in zip(prompts, replies, strict=True)
        ]

    return evaluate(answer, items, **options)


def example(question: str = "How many 'r's are in the word strawberry?") -> Example:
    return Example("letters", question, "Letter r:\n...", f"3{LETTER_BREAK}!", "3", "strawberry")


def said(tokenizer, message: Message) -> list[int]:
    """The completion that makes `message`."""
    call_texts = []
    for call in message.tool_calls:
        arguments = "".join(
            f"<parameter={key}>\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n"
            for key, value in call.arguments.items()
        )
        call_texts.append(f"<tool_call>\n<function={call.name}>\n{arguments}</function>\n</tool_call>")
    text = "\n".join([part for part in (message.content, *call_texts) if part])
    return tokenizer.encode(f"{message.reasoning}\n</think>\n{text}<|im_end|>")


def playing(tokenizer, dialogue, spoil=lambda turn, message: message):
    """A `generate` that makes the recorded turns of one dialogue, one a round."""
    turns = iter(dialogue.turns)

    def generate(prompts):
        [_] = prompts
        turn = next(turns)
        return [Reply(said(tokenizer, spoil(turn, without_breaks(dialogue.messages[turn]))))]

    return generate


def test_right_and_wrong_answers_are_counted_and_listed(tokenizer, template):
    items = [question_item(example(f"question {i}"), FAMILIES["letters"], None) for i in range(4)]
    answers = ["There are 3.", "Paris.", "3", "There are 4."]
    seen = []

    def generate(prompts):
        seen.extend(tokenizer.decode(prompt) for prompt in prompts)
        return [Reply(tokenizer.encode(f"s1 t2\n</think>\n{answer}<|im_end|>")) for answer in answers]

    report = judged(generate, template, tokenizer, items)
    assert all(f"question {i}" in prompt for i, prompt in enumerate(seen))
    length = len(tokenizer.encode("s1 t2"))
    assert report.to_json() == {
        "letters": {
            "accuracy": 0.5,
            "n": 4,
            "mean_reasoning_tokens": length,
            "sound_traces": None,
            "false_refusals": 0.0,
            "by_length": [],
        }
    }
    assert json.loads(json.dumps(report.to_json())) == report.to_json()
    first = report.failures[0]
    assert (first.question, first.reasoning, first.answer) == ("question 1", "s1 t2", "Paris.")
    assert first.expected == "3!"


def test_an_answer_without_an_end_of_reasoning_is_wrong(tokenizer, template):
    items = [question_item(example(), FAMILIES["letters"], None)]
    report = judged(lambda prompts: [Reply(tokenizer.encode("3"))], template, tokenizer, items)
    assert report.results["letters"].accuracy == 0.0


def test_an_answer_that_was_cut_is_wrong_whatever_it_says(tokenizer, template):
    items = [question_item(example(), FAMILIES["letters"], None)] * 2
    answer = tokenizer.encode("s1\n</think>\nThere are 3. And so on and so")
    report = judged(
        lambda prompts: [Reply(answer), Reply(answer, is_whole=False)], template, tokenizer, items
    )
    assert report.results["letters"].accuracy == 0.5
    assert report.failures[0].expected == "an answer that ends"


def test_a_right_answer_with_another_reasoning_has_no_sound_trace(tokenizer, template):
    rng = random.Random(3)
    worked = [FAMILIES["units"].generate(rng, "eval") for _ in range(2)]
    items = [question_item(each, FAMILIES["units"], TRACE_CHECKS["units"]) for each in worked]
    traces = [worked[0].reasoning, "I just know."]

    def generate(prompts):
        turns = zip(traces, worked, strict=True)
        return [Reply(said(tokenizer, Message("assistant", each.answer, trace))) for trace, each in turns]

    report = judged(generate, template, tokenizer, items)
    assert report.results["units"].accuracy == 1.0
    assert report.results["units"].sound_traces == 0.5


def test_accuracy_is_told_by_the_length_of_the_reasoning():
    wrong = Failure("letters", "", "", "", "")
    lengths = random.Random(1).sample(range(30), 30)
    outcomes = [Outcome("letters", tokens, wrong if tokens >= 25 else None) for tokens in lengths]
    [result] = Report.of(outcomes).results.values()
    assert result.by_length == [(4.5, 1.0), (14.5, 1.0), (24.5, 0.5)]


@pytest.mark.parametrize("family", ["tool_single", "tool_chain", "talk_follow_up", "long_fact"])
def test_a_conversation_is_played_turn_by_turn_to_its_end(tokenizer, template, family):
    for item, dialogue in recorded(family, 4):
        report = judged(playing(tokenizer, dialogue), template, tokenizer, [item])
        assert report.failures == ()
        [result] = report.results.values()
        assert result.mean_reasoning_tokens > 0
        assert result.sound_traces == (1.0 if DIALOGUE_FAMILIES[family].check_trace else None)


def test_a_conversation_ends_at_its_first_wrong_turn(tokenizer, template):
    item, dialogue = next(pair for pair in recorded("tool_chain", 20) if len(pair[1].turns) > 2)
    second = dialogue.turns[1]

    def spoil(turn, message):
        return dataclasses.replace(message, tool_calls=(), content="No.") if turn == second else message

    report = judged(playing(tokenizer, dialogue, spoil), template, tokenizer, [item])
    [failure] = report.failures
    assert failure.answer == "No."
    assert dialogue.messages[second].tool_calls[0].name in failure.expected


def recorded(family: str, num: int):
    """Items of a family with the dialogues behind them, of the train split: anyone may see those."""
    for index in range(num):
        dialogue = DIALOGUE_FAMILIES[family].generate(random.Random(f"play:{family}:{index}"), "train")
        dialogue = dataclasses.replace(dialogue, subjects=())
        yield dialogue_item(dialogue, DIALOGUE_FAMILIES[family]), dialogue


def test_figures_of_a_report():
    refused = Failure("b", "12 * 3?", "", "I cannot help with that. I can ...", "36")
    outcomes = [Outcome("a", 10, None, True), Outcome("b", 4, refused), Outcome("a", 20, None, False)]
    report = Report.of(outcomes)
    assert report.results["a"].false_refusals == 0
    assert report.results["b"].false_refusals == 1
    assert report.results["a"].sound_traces == 0.5
    assert report.results["a"].mean_reasoning_tokens == 15
    text = io.StringIO()
    Console(file=text, width=100).print(report.table())
    assert "100.0%" in text.getvalue()
    assert "50.0%" in text.getvalue()


def test_refusing_a_call_that_was_possible_is_a_false_refusal():
    refused = Failure("tool_single", "Book a table.", "", "I have no tool to book a table.", "book({})")
    confused = Failure("tool_abstain", "Book it.", "", "call({})", "I have no tool to book it.")
    report = Report.of([Outcome("tool_single", 1, refused), Outcome("tool_abstain", 1, confused)])
    assert report.results["tool_single"].false_refusals == 1
    assert report.results["tool_abstain"].false_refusals == 0


def test_the_mean_counts_every_row_once_and_no_further_rows():
    wrong = Failure("a", "?", "", "!", "1")
    outcomes = [
        *(Outcome("a", 10, None, True) for _ in range(3)), Outcome("a", 10, wrong),
        Outcome("b", 30, None, False), Outcome("a@3", 99, wrong), Outcome("long@1024", 20, None),
    ]  # fmt: skip
    mean = Report.of(outcomes).mean
    assert mean.accuracy == pytest.approx((0.75 + 1 + 1) / 3)
    assert mean.mean_reasoning_tokens == 20
    assert mean.n == 6
    assert mean.sound_traces == 0.75
    assert Report.of(outcomes[4:5]).mean.sound_traces == 0


def test_some_families_are_asked_once_more_for_what_they_rarely_draw():
    words = eval_items(["letters"], 30, seed=0)
    assert Counter(item.label for item in words) == {"letters": 30, "letters@13-16": 30}
    assert all(13 <= len(item.subjects[0]) <= 16 for item in words[30:])
    assert all(len(item.subjects[0]) <= 12 for item in words[:30])
    assert find_contamination(words) == []
    for item in eval_items(["tool_chain"], 5, seed=0)[5:]:
        assert item.label == "tool_chain@3"
    common = eval_items(["tool_everyday"], 20, seed=0)
    names = {name for entry in common_tools("eval") for name in entry.names}
    assert [item.label for item in common] == ["tool_everyday"] * 20 + ["tool_everyday@common"] * 20
    assert all({tool.name for tool in item.tools} <= names for item in common[20:])
    assert not any({tool.name for tool in item.tools} & names for item in common[:20])
    assert find_contamination(common) == []


@pytest.mark.parametrize(("family", "digest"), DIGESTS.items())
def test_the_questions_of_an_evaluation_stay_what_they_were(family, digest):
    """Figures of different editions compare as long as these do not change."""
    texts = []
    for item in eval_items([family], 20, seed=0)[:20]:
        messages = next(item.begin())
        texts.append("\n".join([*(m.content for m in messages), *(tool.name for tool in item.tools)]))
    assert zlib.crc32("\n".join(texts).encode()) == digest


def test_an_unknown_suite_or_family_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match="'chess'.*core, tools, long, gym"):
        families_of(["chess"])
    with pytest.raises(ConfigError, match="'chess'.*letters"):
        families_of(["core"], ["chess"])
    assert families_of(["tools", "core"], ["letters"]) == ["letters"]


def test_suites_have_every_family_once():
    names = [name for suite in ("core", "tools", "long") for name in SUITES[suite]()]
    assert sorted(names) == sorted([*FAMILIES, *DIALOGUE_FAMILIES])


@pytest.mark.parametrize("name", ["letter_counting", "spell_backward", "syllogism", "word_sorting"])
def test_tasks_of_reasoning_gym_are_judged_by_its_own_scores(tokenizer, template, name):
    data = entries_of(name, 2, 3, held_out=True)
    items = gym_items(f"gym/{name}", 2, seed=3)
    assert find_contamination(items) == []
    answers = [f"I think it is {data[0]['answer']}.", "Certainly nothing of the kind."]

    def generate(prompts):
        assert all(data[i]["question"].split()[0] in tokenizer.decode(p) for i, p in enumerate(prompts))
        return [Reply(tokenizer.encode(f"...\n</think>\n{answer}<|im_end|>")) for answer in answers]

    report = judged(generate, template, tokenizer, items)
    assert report.results[f"gym/{name}"].accuracy == 0.5
    assert report.failures[0].expected == str(data[1]["answer"])


@pytest.mark.parametrize(("name", "wrong"), [("game_of_life_halting", "nothing"), ("coin_flip", "0")])
def test_scores_of_the_library_that_take_too_much_for_right_are_not_used(tokenizer, template, name, wrong):
    items = gym_items(f"gym/{name}", 3, seed=0)
    answers = [Reply(tokenizer.encode(f"...\n</think>\n{wrong}<|im_end|>"))] * len(items)
    assert judged(lambda _: answers, template, tokenizer, items).results[f"gym/{name}"].accuracy == 0


@pytest.mark.slow
def test_a_refusal_is_right_for_no_task(tokenizer, template):
    refusal = Reply(tokenizer.encode("...\n</think>\nI cannot help with that.<|im_end|>"))
    for name in gym_families():
        report = judged(lambda prompts: [refusal] * len(prompts), template, tokenizer, gym_items(name, 3, 0))
        assert report.results[name].accuracy == 0, name


def test_questions_are_the_same_in_every_process():
    ask = "from flashstep.training.tasks.gym.entries import entries_of_any_process as e\n"
    ask += "if __name__ == '__main__': print(e('ransom_note', 3, 0, held_out=True))"
    asked = {
        subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True).stdout for _ in "12"
    }
    assert len(asked) == 1


def test_the_list_of_reasoning_gym_is_whole():
    assert len(gym_families()) > 100
    assert "gym/leg_counting" in families_of(["gym"])


@pytest.mark.parametrize(
    ("content", "reading"),
    [
        ("12", "12"),
        ("So 12.", "12"),
        ("The answer is 3, 4, 5.", "3, 4, 5"),
        ('It says "stop".', "stop"),
        ("The letters are: a, b", "a, b"),
        ("1 + 1 = 2", "2"),
        ("First line\nNo", "No"),
    ],
)
def test_what_an_answer_in_words_may_give_as_the_bare_answer(content, reading):
    assert reading in readings(content)
    assert "13" not in readings(content)


def test_no_answer_has_no_reading():
    assert readings("  \n") == []


def test_the_same_seed_asks_the_same():
    prompts = [next(item.begin()) for item in eval_items(["letters", "tool_single"], 3, seed=5)]
    assert prompts == [next(item.begin()) for item in eval_items(["letters", "tool_single"], 3, seed=5)]
    assert prompts != [next(item.begin()) for item in eval_items(["letters", "tool_single"], 3, seed=6)]


def test_long_texts_are_asked_at_every_length(tokenizer, template):
    def count(text: str) -> int:
        return len(tokenizer.encode_plain(text))

    items = eval_items(["long_fact"], 2, seed=0, long_tokens=(600, 2000), count_tokens=count)
    assert [item.label for item in items] == ["long_fact@600"] * 2 + ["long_fact@2000"] * 2
    for item in items:
        length = len(template.encode(next(item.begin())))
        assert 0.7 * int(item.label.split("@")[1]) < length <= int(item.label.split("@")[1])


def test_the_eval_split_is_clean():
    assert find_contamination(eval_items([*FAMILIES, *DIALOGUE_FAMILIES], 40, seed=0)) == []


def test_a_trained_subject_is_found():
    item, _ = eval_items(["letters"], 1, seed=0)
    leaked = dataclasses.replace(item, subjects=("banana",))
    assert find_contamination([leaked]) == ["letters: subject 'banana' belongs to the train split"]


def test_a_wording_on_both_lists_is_found(monkeypatch):
    monkeypatch.setattr(contamination, "wordings", lambda kind, split: Wordings(("Spell {w}!",), ()))
    items = eval_items(["spelling"], 1, seed=0)
    assert "spelling: wording 'spell {w}' is in both lists" in find_contamination(items)


def test_nothing_that_may_have_been_seen_is_asked(tokenizer, template):
    item, _ = eval_items(["letters"], 1, seed=0)
    leaked = dataclasses.replace(item, subjects=("banana",))
    with pytest.raises(ConfigError, match="not held out.*'banana'"):
        judged(lambda prompts: [], template, tokenizer, [leaked])


def test_a_family_that_is_named_twice_is_asked_once():
    assert families_of(["core", "core"]) == families_of(["core"])
    assert families_of(["core"], ["letters", "units", "letters"]) == ["letters", "units"]
