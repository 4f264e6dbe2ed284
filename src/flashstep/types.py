"""The shared vocabulary: what people say, what the engine is asked, what streams out.

Pure values, standard library only, equality by content. `Message` never enters `engine/`;
the engine's `Sequence` never leaves it. A stream of `Event`s ends with exactly one `Finish`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from flashstep.errors import InvalidRequest

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "abort", "error"]

_MOST_STOPS = 64


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asked for; `arguments` is a dict here and a JSON string on the wire."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `content` is plain text; parts are joined at the edge.

    `reasoning` is an assistant's earlier thinking (None = not given). `name` distinguishes
    e.g. an "observation" system message; `tool_call_id` names the call a tool message answers.
    """

    role: Role
    content: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call. `wire` is the JSON object exactly as the client sent it
    (the template prints it verbatim); `parameters` is its JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]
    wire: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to choose tokens. Validated on construction; raises InvalidRequest naming the field.

    temperature 0 is greedy. top_k 0 and min_p 0 are off. `max_tokens` None = as much as the
    context allows. `stop` strings end generation outside reasoning and are not returned.
    `logprobs` None = off, n = log-probabilities of the chosen token and the n best (0-20).
    `ignore_eos` keeps generating past stop ids (benchmarks).
    `logit_bias` is added to the logits of token ids, each in [-100, 100]. `thinking_token_budget`
    None = unbounded, n = the reasoning is closed after n tokens of it. `prompt_logprobs` like
    `logprobs`, for the prompt's own tokens. `repetition_guard` ends an answer that repeats itself
    without end.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    logprobs: int | None = None
    ignore_eos: bool = False
    logit_bias: tuple[tuple[int, float], ...] = ()
    thinking_token_budget: int | None = None
    prompt_logprobs: int | None = None
    repetition_guard: bool = True

    def __post_init__(self) -> None:
        _check("temperature", self.temperature, 0.0, 2.0)
        _check("top_p", self.top_p, 0.0, 1.0, low_open=True)
        _check("top_k", self.top_k, 0, 1 << 31)
        _check("min_p", self.min_p, 0.0, 1.0)
        _check("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _check("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        # Logits divided by much less leave the range of float32.
        _check("repetition_penalty", self.repetition_penalty, 0.01, 10.0)
        if self.max_tokens is not None:
            _check("max_tokens", self.max_tokens, 1, 1 << 31)
        if self.logprobs is not None:
            _check("top_logprobs", self.logprobs, 0, 20)
        if self.prompt_logprobs is not None:
            _check("prompt_logprobs", self.prompt_logprobs, 0, 20)
        if self.thinking_token_budget is not None:
            _check("thinking_token_budget", self.thinking_token_budget, 0, 1 << 31)
        for token_id, bias in self.logit_bias:
            _check(f"logit_bias.{token_id}", bias, -100.0, 100.0)
        if len(self.stop) > _MOST_STOPS:
            raise InvalidRequest(
                f"stop: {len(self.stop)} strings, and every piece of an answer is searched for each; send at "
                f"most {_MOST_STOPS}",
                param="stop",
            )
        if any(not s for s in self.stop):
            raise InvalidRequest("stop: an empty stop string would end every answer at once", param="stop")

    @property
    def is_greedy(self) -> bool:
        """True when the most likely token is always taken (no random numbers used)."""
        return self.temperature == 0.0


def _check(name: str, value: float, low: float, high: float, *, low_open: bool = False) -> None:
    inside = (low < value if low_open else low <= value) and value <= high  # NaN fails both
    if not inside:
        bracket = "(" if low_open else "["
        raise InvalidRequest(f"{name}: {value} is outside {bracket}{low}, {high}]", param=name)


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """What the answer behind the reasoning must be; enforced while it is generated.

    json_schema: None = free text, {} = any JSON object, else a value of this JSON schema.
    required_tools: None = calls are optional; () = at least one call of any tool; else of one of
    these names. max_calls: most calls, None = any number.
    """

    json_schema: dict[str, Any] | None = None
    required_tools: tuple[str, ...] | None = None
    max_calls: int | None = None


FREE = AnswerRule()


@dataclass(frozen=True, slots=True)
class Request:
    """What the engine is asked: token ids in, sampling wishes, and the id that traces it.

    `eos_token_ids` end generation. Stop *strings* are matched by the caller on decoded text, who
    then aborts. `think_end_token_ids` close the reasoning that the prompt has opened (empty = it
    opened none): a thinking budget forces them, and `grammar` (Lark, llguidance's dialect; None =
    free text) holds from the token behind them on. `think_end_marker_id` is the one of them that
    alone tells the end, since the newlines around it may come merged with other text.
    """

    request_id: str
    trace_id: str
    prompt_token_ids: tuple[int, ...]
    params: SamplingParams
    eos_token_ids: frozenset[int] = frozenset()
    think_end_token_ids: tuple[int, ...] = ()
    think_end_marker_id: int | None = None
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural-log probability of a chosen token and of the best alternatives (id, logprob)."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer. `completion_tokens` includes reasoning."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since arrival of the request; None = never happened.

    `reasoning_end_s`: when the reasoning was closed, as the decoder saw it.
    `num_drafted`/`num_accepted` count MTP draft tokens proposed and kept.
    """

    admitted_s: float | None = None
    first_token_s: float | None = None
    reasoning_end_s: float | None = None
    finished_s: float | None = None
    num_drafted: int = 0
    num_accepted: int = 0


@dataclass(frozen=True, slots=True)
class TokenOutput:
    """What a backend emits for one request after one step: new token ids, in order.

    With drafting one output can hold several tokens. The last output of a request has a
    `finish_reason`; `error` says what went wrong when it is "error". `stop_reason` "repetition"
    marks an answer that the repetition guard ended (its finish reason is "length").
    `prompt_logprobs` come once, with the first output: one for each prompt token but the first.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0
    timings: Timings = Timings()
    error: str | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's thinking. `usage`, here and below: the counts up to this piece, None =
    not told; it says nothing about what the piece is."""

    text: str
    usage: Usage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer."""

    text: str
    usage: Usage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the tool call number `index`. The first piece of a call has `id` and `name`
    and empty `arguments`; later pieces have only fragments of the arguments' JSON text."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    usage: Usage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TokenText:
    """A token as text with its log-probability; `data` are its bytes, which may be half a character."""

    token_id: int
    text: str
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of the answer with the best alternatives at its place."""

    token: TokenText
    top: tuple[TokenText, ...] = ()


@dataclass(frozen=True, slots=True)
class LogprobsDelta:
    """Scores of the next tokens, when they were asked for. `part` says where the tokens belong;
    tokens of tool calls and of framing count as "text"."""

    tokens: tuple[ScoredToken, ...]
    part: Literal["prompt", "reasoning", "text"] = "text"


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of every stream. `error` says what went wrong when reason is "error".
    `stop_reason` is the stop string that matched, "repetition" when the guard ended the answer,
    else None."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    error: str | None = None
    stop_reason: str | None = None


Event = ReasoningDelta | TextDelta | ToolCallDelta | LogprobsDelta | Finish
