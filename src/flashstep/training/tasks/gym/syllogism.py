"""Does a claim follow from two statements? It either joins both, or turns one of them around."""

from flashstep.training.tasks.gym.solved import Entry, Solved

# A: all, E: no, I: some, O: some ... not. What follows for X and Z from statements on X, Y and on Y, Z by the
# rules of the task, which let the middle term be undistributed; nothing follows from the other pairs.
_JOINED = {"AA": "AI", "AE": "EO", "AI": "I", "IA": "I", "AO": "O", "IE": "O"}
# What follows for Y and X from a statement on X, Y.
_TURNED = {"A": "I", "E": "E", "I": "I"}


def solve(entry: Entry) -> Solved:
    """A letter for each statement, the terms of the claim sought in the statements, what follows from these.

    1 Some lawyers are not birds: O         1 All cats are birds: A
    2 No birds are tigers: E                2 Some birds are tigers: I
    Claim: No tigers are birds: E           Claim: No cats are tigers: E
    tigers birds: 2 birds tigers, turned    cats tigers: 1 cats birds, 2 birds tigers, joined
    E turned: E                             A I joined: I
    E in E: Yes                             E in I: No
    """
    statements = [entry["metadata"][key] for key in ("premise1", "premise2", "conclusion")]
    letters = [_letter(statement) for statement in statements]
    (first, second, claim), heads = map(_terms, statements), ("1 ", "2 ", "Claim: ")
    lines = [f"{h}{s}: {x}" for h, s, x in zip(heads, statements, letters, strict=True)]
    if claim[0] == first[0]:
        way, sources = "joined", "".join(letters[:2])
        found = f"1 {' '.join(first)}, 2 {' '.join(second)}"
        follows = _JOINED.get(sources, "")
    else:
        number, terms = (1, first) if claim[0] == first[1] else (2, second)
        way, sources, found = "turned", letters[number - 1], f"{number} {' '.join(terms)}"
        follows = _TURNED.get(sources, "")
    verdict = "Yes" if letters[2] in follows else "No"
    lines += [
        f"{' '.join(claim)}: {found}, {way}",
        f"{' '.join(sources)} {way}: {' '.join(follows) or 'none'}",
        f"{letters[2]} in {' '.join(follows) or 'none'}: {verdict}",
    ]
    return Solved("\n".join(lines), verdict)


def _letter(statement: str) -> str:
    quantifier = statement.split()[0]
    return "O" if " are not " in statement else {"All": "A", "No": "E", "Some": "I"}[quantifier]


def _terms(statement: str) -> tuple[str, str]:
    words = statement.split()
    return words[1], words[-1]
