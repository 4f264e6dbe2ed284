"""The switches for thinking, in all the spellings that clients use.

This architecture always thinks and has no levels of effort, and agents send these fields to every
model; so a wish to think less or not at all is never an error. Asked not to think, the model thinks
briefly (`hidden_thinking_budget`) and the server hides it; asked for a level, nothing
changes. Both are said in the response header of warnings. A budget is honoured to the token.

Names: `reasoning_effort` OpenAI's, `reasoning_format` the hosted service's, `include_reasoning` and
`thinking_token_budget` and `chat_template_kwargs` vLLM's, `reasoning` OpenRouter's, `thinking`
Anthropic's and DeepSeek's, `enable_thinking` Qwen's.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from flashstep.server.settings import ServerSettings
from flashstep.server.validation import Integer

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_NO_EFFORTS = ("none", "minimal")
_FIELDS = {
    "general": ("reasoning",),
    "deepseek-style": ("reasoning_content",),
    "reasoning": ("reasoning",),
    "reasoning_content": ("reasoning_content",),
    "both": ("reasoning", "reasoning_content"),
}


@dataclass(frozen=True, slots=True)
class ThinkingWish:
    """What the switches come to. reasoning_fields: the members that hold the reasoning, () = hidden.
    token_budget: None = unbounded. warnings: ASCII sentences."""

    reasoning_fields: tuple[str, ...]
    token_budget: int | None = None
    warnings: tuple[str, ...] = ()


def hidden_thinking_budget(settings: ServerSettings, max_tokens: int | None) -> int:
    """Tokens after which thinking is closed for a caller who asked for none. It counts against his
    `max_tokens` too, so of these at least half are left for what he reads."""
    if max_tokens is None:
        return settings.hidden_thinking_tokens
    return min(settings.hidden_thinking_tokens, max(1, max_tokens // 2))


class _Options(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class ReasoningOptions(_Options):
    """`reasoning`: like the fields of the same meaning, in one object."""

    effort: Effort | None = None
    max_tokens: Integer | None = Field(default=None, ge=0)
    exclude: bool | None = None
    enabled: bool | None = None


class ThinkingOptions(_Options):
    """`thinking`: the type "disabled" asks for none."""

    type: str | None = None
    budget_tokens: Integer | None = Field(default=None, ge=0)


class TemplateOptions(_Options):
    """`chat_template_kwargs`: what other servers hand to templates that can leave thinking out."""

    enable_thinking: bool | None = None
    thinking: bool | None = None


class ThinkingFields(BaseModel):
    """The switches of a request; null means "not given"."""

    include_reasoning: bool | None = None
    reasoning_format: Literal["general", "deepseek-style"] | None = None
    reasoning_effort: Effort | None = None
    thinking_token_budget: Integer | None = Field(default=None, ge=0)
    enable_thinking: bool | None = None
    chat_template_kwargs: TemplateOptions | None = None
    reasoning: ReasoningOptions | None = None
    thinking: ThinkingOptions | None = None

    def thinking_wish(self, settings: ServerSettings, max_tokens: int | None) -> ThinkingWish:
        """What all of them say together, in an answer of `max_tokens`; the most particular one counts."""
        reasoning = self.reasoning or ReasoningOptions()
        is_off = self._is_off(reasoning)
        is_hidden = is_off or reasoning.exclude is True
        if self.include_reasoning is not None:
            is_hidden = not self.include_reasoning
        given = (
            self.thinking_token_budget,
            reasoning.max_tokens,
            self.thinking.budget_tokens if self.thinking else None,
            hidden_thinking_budget(settings, max_tokens) if is_off else None,
        )
        return ThinkingWish(
            reasoning_fields=() if is_hidden else _FIELDS[self.reasoning_format or settings.reasoning_field],
            token_budget=next((budget for budget in given if budget is not None), None),
            warnings=self._warnings(reasoning, is_off=is_off, is_hidden=is_hidden),
        )

    def _is_off(self, reasoning: ReasoningOptions) -> bool:
        template = self.chat_template_kwargs or TemplateOptions()
        return (
            self.reasoning_effort in _NO_EFFORTS
            or self.enable_thinking is False
            or template.enable_thinking is False
            or template.thinking is False
            or (self.thinking is not None and self.thinking.type == "disabled")
            or reasoning.enabled is False
            or reasoning.effort in _NO_EFFORTS
        )

    def _warnings(self, reasoning: ReasoningOptions, *, is_off: bool, is_hidden: bool) -> tuple[str, ...]:
        if is_off:
            shown = " and left out of the answer" if is_hidden else ""
            return (f"this model always thinks: its thinking is kept short{shown}",)
        if self.reasoning_effort is not None or reasoning.effort is not None:
            return ("reasoning_effort has no effect: this model has no levels of effort",)
        return ()
