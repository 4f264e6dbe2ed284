"""Programs of A::B. Tokens with the sign on the left move left, the others right; A stops A, B stops B."""

from string import ascii_lowercase

from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.text.letter_texts import spaced


def solve(entry: Entry) -> Solved:
    """Take the tokens from the last to the first. One that moves left waits in front; one that moves right
    takes out the first of its letter that waits, or stays behind the line. TooLong when nothing remains.

    a A# b #B c B# d #A
    d #A: A |
    c B# free: A | B
    b #B: B A | B
    a A# hit: B | B
    """
    program = _program(entry["question"])
    labelled = list(zip(ascii_lowercase, program, strict=False))
    lines = [" ".join(f"{label} {token}" for label, token in labelled)]
    waiting, staying = "", ""
    for label, token in reversed(labelled):
        letter, outcome = token.strip("#"), ""
        if token.startswith("#"):
            waiting = letter + waiting
        elif letter in waiting:
            waiting, outcome = waiting.replace(letter, "", 1), " hit"
        else:
            staying, outcome = letter + staying, " free"
        lines.append(f"{label} {token}{outcome}:{spaced(waiting)} |{spaced(staying)}")
    answer = " ".join([f"#{c}" for c in waiting] + [f"{c}#" for c in staying])
    if not answer:
        raise TooLong("nothing remains, and an answer cannot be empty")
    return Solved("\n".join(lines), answer)


def _program(question: str) -> list[str]:
    return question.partition("following program:")[2].split("\n\n")[1].split()
