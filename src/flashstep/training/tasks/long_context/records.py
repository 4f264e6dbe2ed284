"""JSON: a member of one entry in a long list of objects."""

import json
import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    CountTokens,
    Haystack,
    LookUp,
    filler_lines,
    from_words,
    scattered,
)

_MEMBERS = (
    "stock",
    "color",
    "room",
    "price",
    "grade",
    "team",
    "shelf",
    "points",
    "label",
    "unit",
    "rank",
    "group",
)

_NO_ID = '"id": 1000'  # as long as most ids


def entry(rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens) -> Haystack:
    """Asked for a member of the entry that has a name, or an id; entries differ in both."""
    owners: set[str] = set()
    members = rng.sample(_MEMBERS, rng.randint(1, 2))
    targets = [_record(rng, names.of_split(rng, split, names.person, owners), members) for _ in range(num)]
    first_id = rng.randrange(1, 900)

    def other() -> str:
        return _record(rng, names.several(rng, names.person, 1, set(owners))[0], members)

    # One token more an entry: the comma.
    lines = filler_lines(other, targets, num_tokens, lambda text: count_tokens(text) + 1)
    lines = scattered(rng, lines, targets)
    lines = [text.replace(_NO_ID, f'"id": {number}', 1) for number, text in enumerate(lines, first_id)]
    found = [text for text in lines if json.loads(text)["name"] in owners]
    return Haystack("[" + ",\n".join(lines) + "]", tuple(_question(rng, text, members) for text in found))


def _question(rng: random.Random, found: str, members: list[str]) -> LookUp:
    record, asked, by = json.loads(found), rng.choice(members), rng.choice(("id", "name"))
    quoted = from_words(found, f'"{by}": ')
    return LookUp(
        f"Found: {quoted}\n{asked}: {record[asked]}",
        f"The {asked} of the entry with {by} {record[by]} is {record[asked]}.",
        key=str(record[asked]), subject=record["name"], slots={"k": asked, "i": by, "v": record[by]},
    )  # fmt: skip


def _record(rng: random.Random, owner: str, members: list[str]) -> str:
    values = {name: names.value(rng) for name in members}
    typed = {name: int(text) if text.isdigit() else text for name, text in values.items()}
    return json.dumps({"id": 1000, "name": owner, **typed}, ensure_ascii=False)
