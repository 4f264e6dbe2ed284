"""Several conversations with the same tools declared: what they share is read once (`training/sharing.py`)."""

import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.tools import abstain, chain, everyday, parallel, retry, setting, single
from flashstep.training.tasks.tools.declaration import declare_some

_NUM_TOOLS, _NUM_WEIGHTS = (1, 2, 3, 4, 5), (2, 5, 5, 3, 1)
_KINDS = {single.about: 0.4, abstain.about: 0.2, parallel.about: 0.15, chain.about: 0.15, retry.about: 0.1}


def made_up_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` conversations with the same made-up tools, of all the families that use such."""
    num_tools = rng.choices(_NUM_TOOLS, _NUM_WEIGHTS)[0]
    tools = declare_some(rng, split, 1, [])
    tools += declare_some(rng, split, num_tools - 1, tools)
    rng.shuffle(tools)
    system = setting.system_prompt(rng, split)
    dialogues: list[Dialogue] = []
    while len(dialogues) < num:
        about = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        made = about(rng, split, tools, system)
        dialogues += [made] if made else []
    return dialogues


TOOL_SETS = {"tools": made_up_set, "everyday_tools": everyday.generate_set}
