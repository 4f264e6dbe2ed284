"""The families of tool calling by name."""

from flashstep.training.tasks.dialogue import DialogueFamily
from flashstep.training.tasks.tools import abstain, chain, everyday, everyday_tool, parallel, retry, single
from flashstep.training.tasks.tools.judge import verify
from flashstep.training.tasks.tools.trace_check import check_trace

TOOL_FAMILIES: dict[str, DialogueFamily] = {
    "tool_single": DialogueFamily(single.generate, verify, 0.26, single.WORDINGS, check_trace),
    "tool_parallel": DialogueFamily(parallel.generate, verify, 0.18, parallel.WORDINGS, check_trace),
    "tool_chain": DialogueFamily(chain.generate, verify, 0.16, chain.WORDINGS, check_trace),
    "tool_retry": DialogueFamily(retry.generate, verify, 0.1, retry.WORDINGS, check_trace),
    "tool_abstain": DialogueFamily(abstain.generate, verify, 0.14, abstain.WORDINGS, check_trace),
    "tool_everyday": DialogueFamily(
        everyday.generate, verify, 0.16, everyday.WORDINGS, check_trace, everyday_tool.in_both_splits
    ),
}
