"""Can a note be cut out of a magazine: the letters of both are counted one by one and looked up."""

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.text.letter_texts import spaced


def solve(entry: Entry) -> Solved:
    """Write behind each letter of the magazine the how-many-eth of its kind it is, then look for each of the note:

    Note: a b a
    Magazine: b a c
    Count: b1 a1 c1
    a1 yes
    b1 yes
    a2 no
    So False.
    """
    note, magazine = entry["metadata"]["ransom_note"], entry["metadata"]["magazine"]
    there = _occurrences(magazine)
    lines = [f"Note:{spaced(note)}", f"Magazine:{spaced(magazine)}", f"Count: {' '.join(there)}"]
    answer = "True"
    for item in _occurrences(note):
        if item not in there:
            lines.append(f"{item} no")
            answer = "False"
            break
        lines.append(f"{item} yes")
    return Solved("\n".join([*lines, f"So {answer}."]), answer)


def _occurrences(text: str) -> list[str]:
    """ "a1", "b1", "a2" for "aba"."""
    return [f"{c}{text[: place + 1].count(c)}" for place, c in enumerate(text)]
