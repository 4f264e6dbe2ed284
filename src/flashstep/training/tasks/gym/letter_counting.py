"""How often a letter stands in a text: the words are numbered, then spelled, with the count so far."""

from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Spell word after word; each match is followed by the count, each line begins with it:

    Letter e in: 1 me 2 see 3 I
    1 #0: m1 e2 #1
    2 #1: s1 e2 #2 e3 #3
    3 #3: i1
    So 3.
    """
    letter, words = entry["metadata"]["target_letter"], entry["metadata"]["span"]
    numbered = " ".join(f"{number} {word}" for number, word in enumerate(words, 1))
    lines, count = [f"Letter {letter} in: {numbered}"], 0
    for number, word in enumerate(words, 1):
        spelled, next_count = _counted(word.lower(), letter, count)
        lines.append(f"{number} #{count}:{spelled}")
        count = next_count
    return Solved("\n".join([*lines, f"So {count}."]), str(count))


def _counted(word: str, letter: str, count: int) -> tuple[str, int]:
    """The word with numbered letters, digits without a number, and the count behind its last letter."""
    line = ""
    for place, c in enumerate(word, 1):
        line += f" {c}" if c.isdigit() else f" {c}{place}"
        if c == letter:
            count += 1
            line += f" #{count}"
    return line, count
