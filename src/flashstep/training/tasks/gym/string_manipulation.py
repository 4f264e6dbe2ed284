"""A string rewritten by the first of some rules that applies, again and again."""

from string import ascii_uppercase

from flashstep.training.tasks.base import lettered
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.gym.string_rules import Letter, Letters, Rule, text_of

_MOST_CHARACTERS = 1100


def solve(entry: Entry) -> Solved:
    """Label the letters, with their number in front if a rule asks for it; try the rules with their numbers;
    write the new string. TooLong for what becomes empty or takes many steps, or repeats itself.

    now aA bB cC bD
    start aA bB end cC bD
    1 end a a no
    2 has a b c yes A
    now cA aB bC bD
    start cA aB end bC bD
    1 end a a no
    2 has a b c no
    so cA aB bC bD
    """
    rules = [Rule.read(rule) for rule in entry["metadata"]["selected_rules"]]
    letters = [Letter(c, label) for label, c in enumerate(entry["metadata"]["string"])]
    lines: list[str] = []
    seen: set[str] = set()
    changed: Letters | None = letters
    while changed is not None:
        letters = changed
        _check(letters, seen)
        seen.add(text_of(letters))
        lines.append("now" + (f" {len(letters)}:" if Rule("over") in rules else "") + _labelled(letters))
        lines.append(f"start{_labelled(letters[:2])} end{_labelled(letters[-2:])}")
        changed = _step(rules, letters, lines)
    reasoning = "\n".join([*lines, f"so{_labelled(letters)}"])
    if len(reasoning) > _MOST_CHARACTERS:
        raise TooLong("there are many steps")
    return Solved(reasoning, lettered(text_of(letters)))


def _check(letters: Letters, seen: set[str]) -> None:
    if not letters or text_of(letters) in seen:
        raise TooLong("the string becomes empty or repeats itself")
    if letters[-1].label - letters[0].label >= len(ascii_uppercase):
        raise TooLong("there are not enough labels")


def _step(rules: list[Rule], letters: Letters, lines: list[str]) -> Letters | None:
    """Write down which rules apply, up to the first that does; the string after it, or None."""
    for number, rule in enumerate(rules, 1):
        place = rule.place(letters)
        verdict = "no" if place is None else "yes"
        words = (str(number), rule.kind, *rule.pattern, *_counted(rule, letters), verdict)
        lines.append(" ".join(words))
        if place is None:
            continue
        if rule.kind in ("has", "in"):
            lines[-1] += f" {letters[place].name}"
        if rule.kind == "over":
            lines.append(f"count {' '.join(_numbered(letters[: place + 1]))}")
        return rule.changed(letters, place)
    return None


def _counted(rule: Rule, letters: Letters) -> list[str]:
    """What must be counted to see whether a rule applies."""
    if rule.kind == "over":
        return [str(len(letters))]
    return _numbered([c for c in letters if c.text == "b"]) if rule.kind == "even" else []


def _numbered(letters: Letters) -> list[str]:
    return [f"{letter.name}{number}" for number, letter in enumerate(letters, 1)]


def _labelled(letters: Letters) -> str:
    return "".join(f" {letter.text}{letter.name}" for letter in letters)
