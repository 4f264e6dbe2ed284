"""The words that mark the parts of an answer, as the template and the models write them."""

THINK_START, THINK_END = "<think>", "</think>"
CALL_START, CALL_END = "<tool_call>", "</tool_call>"
