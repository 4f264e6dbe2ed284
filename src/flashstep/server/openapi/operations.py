"""What each route says about itself in the OpenAPI document."""

from flashstep.server.anthropic.protocol import CountRequest as MessageCountRequest
from flashstep.server.anthropic.protocol import MessagesRequest
from flashstep.server.chat_completions.protocol import ChatRequest
from flashstep.server.completions.protocol import CompletionRequest
from flashstep.server.openapi import answers
from flashstep.server.openapi.operation import Operation
from flashstep.server.responses.protocol import ResponsesRequest
from flashstep.server.tokens.protocol import DetokenizeRequest, TokenCountRequest, TokenizeRequest
from flashstep.server.traces.codec import Trace

_GENERATION_ERRORS = (404, 502)  # unknown model; an engine that failed
_DONE = "[DONE]"

CHAT = Operation(
    name="create_chat_completion",
    summary="Answer a conversation",
    tag="chat",
    request=ChatRequest,
    answer=answers.ChatCompletion,
    chunk=answers.ChatCompletionChunk,
    end_mark=_DONE,
    errors=_GENERATION_ERRORS,
)
COMPLETIONS = Operation(
    name="create_completion",
    summary="Continue raw prompts, or score them",
    tag="completions",
    request=CompletionRequest,
    answer=answers.TextCompletion,
    chunk=answers.TextCompletionChunk,
    end_mark=_DONE,
    errors=_GENERATION_ERRORS,
)
RESPONSES = Operation(
    name="create_response",
    summary="Answer a conversation in the Responses format",
    tag="responses",
    request=ResponsesRequest,
    answer=answers.ResponseObject,
    chunk=answers.ResponseEvent,
    errors=_GENERATION_ERRORS,
)
STORED_RESPONSE = Operation(
    name="stored_response",
    summary="Always 404: responses are not stored",
    tag="responses",
    errors=(404,),
)
MESSAGES = Operation(
    name="create_message",
    summary="Answer a conversation in the Messages format",
    tag="messages",
    request=MessagesRequest,
    answer=answers.AnthropicMessage,
    chunk=answers.AnthropicEvent,
    errors=_GENERATION_ERRORS,
    error_form="anthropic",
)
COUNT_INPUT = Operation(
    name="count_message_tokens",
    summary="Count the prompt tokens of a conversation in the Messages format",
    tag="messages",
    request=MessageCountRequest,
    answer=answers.InputTokens,
    errors=(404,),
    error_form="anthropic",
)
COUNT_TOKENS = Operation(
    name="count_tokens",
    summary="Count the prompt tokens of a conversation",
    tag="tokens",
    request=TokenCountRequest,
    answer=answers.TokenCount,
    errors=(404,),
)
TOKENIZE = Operation(
    name="tokenize",
    summary="Token ids of a text, or of a conversation's prompt",
    tag="tokens",
    request=TokenizeRequest,
    answer=answers.Tokenized,
    errors=(404,),
)
DETOKENIZE = Operation(
    name="detokenize",
    summary="The text of token ids",
    tag="tokens",
    request=DetokenizeRequest,
    answer=answers.Detokenized,
    errors=(404,),
)
MODELS = Operation(
    name="list_models",
    summary="The names under which the loaded model answers",
    tag="models",
    answer=answers.ModelList,
)
MODEL = Operation(
    name="get_model",
    summary="One of those names",
    tag="models",
    answer=answers.ModelEntry,
    errors=(404,),
)
HEALTH = Operation(
    name="health",
    summary="Whether the process lives and its engine has not ended",
    tag="operations",
    answer=answers.Status,
)
READY = Operation(
    name="ready",
    summary="Whether the engine has just computed a token",
    tag="operations",
    answer=answers.Status,
)
TRACE = Operation(
    name="get_trace",
    summary="What happened to a call of one's own, under its trace id",
    tag="traces",
    answer=Trace,
    errors=(404,),
)
OPENAPI = Operation(
    name="openapi",
    summary="This document",
    tag="operations",
    answer=answers.Document,
)
METRICS = Operation(
    name="metrics",
    summary="Counters, gauges and histograms in the Prometheus text form",
    tag="operations",
    text_type="text/plain",
)
