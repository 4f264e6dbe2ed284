"""All task families by name, with their share of the training documents.

Questions with one answer are in FAMILIES (`question_families.py`), conversations (several turns, tools, long texts)
in DIALOGUE_FAMILIES. All weights together sum to one. A document with tools or a long text has as many tokens as ten
short ones, so these have fewer documents than their share of the tokens suggests.
"""

from flashstep.training.tasks.conversation.families import CONVERSATION_FAMILIES
from flashstep.training.tasks.dialogue import DialogueFamily
from flashstep.training.tasks.long_context.families import LONG_CONTEXT_FAMILIES
from flashstep.training.tasks.question_families import FAMILIES, scaled
from flashstep.training.tasks.tools.families import TOOL_FAMILIES

DIALOGUE_FAMILIES: dict[str, DialogueFamily] = {
    **scaled(TOOL_FAMILIES, 0.10),
    **scaled(CONVERSATION_FAMILIES, 0.05),
    **scaled(LONG_CONTEXT_FAMILIES, 0.02),
}
WEIGHTS: dict[str, float] = {
    name: family.weight for name, family in (*FAMILIES.items(), *DIALOGUE_FAMILIES.items())
}
