"""The families of conversation by name."""

from flashstep.training.tasks.conversation import (
    application,
    correction,
    follow_up,
    form,
    manners,
    memory,
    persona,
)
from flashstep.training.tasks.conversation.judge import check_trace, verify
from flashstep.training.tasks.dialogue import DialogueFamily

CONVERSATION_FAMILIES: dict[str, DialogueFamily] = {
    "talk_follow_up": DialogueFamily(follow_up.generate, verify, 0.2, follow_up.WORDINGS, check_trace),
    "talk_correction": DialogueFamily(correction.generate, verify, 0.1, correction.WORDINGS, check_trace),
    "talk_form": DialogueFamily(form.generate, verify, 0.2, form.WORDINGS, check_trace),
    "talk_persona": DialogueFamily(persona.generate, verify, 0.1, persona.WORDINGS, check_trace),
    "talk_memory": DialogueFamily(memory.generate, verify, 0.1, memory.WORDINGS, check_trace),
    "talk_manners": DialogueFamily(manners.generate, verify, 0.1, manners.WORDINGS, check_trace),
    "talk_application": DialogueFamily(
        application.generate,
        application.verify,
        0.2,
        application.WORDINGS,
        application.check_trace,
        application.in_both_splits,
    ),
}
