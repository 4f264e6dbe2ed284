"""JSON: a member of one entry in a long list of objects."""

import json
import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    DEFAULT_TOKENS,
    CountTokens,
    asked_about,
    estimated_tokens,
    filler_lines,
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


def entry(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask for a member of the entry that has a name, or an id; entries differ in both."""
    owner = names.of_split(rng, split, names.person, set())
    members = rng.sample(_MEMBERS, rng.randint(1, 2))
    first_id = rng.randrange(1, 900)
    target = _record(rng, owner, members)

    def other() -> str:
        return _record(rng, names.several(rng, names.person, 1, {owner})[0], members)

    # One token more an entry: the comma.
    lines = filler_lines(other, [target], num_tokens, lambda text: count_tokens(text) + 1)
    lines.insert(rng.randint(0, len(lines)), target)
    lines = [text.replace(_NO_ID, f'"id": {number}', 1) for number, text in enumerate(lines, first_id)]
    found = next(text for text in lines if json.loads(text)["name"] == owner)
    record, asked = json.loads(found), rng.choice(members)
    by = rng.choice(("id", "name"))
    return asked_about(
        rng, split, "long_entry", "[" + ",\n".join(lines) + "]",
        reasoning=f"Found: {found}\n{asked}: {record[asked]}",
        answer=f"The {asked} of the entry with {by} {record[by]} is {record[asked]}.",
        key=str(record[asked]), subject=owner, k=asked, i=by, v=record[by],
    )  # fmt: skip


def _record(rng: random.Random, owner: str, members: list[str]) -> str:
    values = {name: names.value(rng) for name in members}
    typed = {name: int(text) if text.isdigit() else text for name, text in values.items()}
    return json.dumps({"id": 1000, "name": owner, **typed}, ensure_ascii=False)
