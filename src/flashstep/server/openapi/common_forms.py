"""What fields of one name mean in every request that has them."""

from collections.abc import Mapping

from flashstep.server.openapi.forms import NULL, Offer, Schema, list_of, narrow, one_of

_COUNT_LIMIT = 1 << 31

SAMPLING_RANGES: Mapping[str, Schema] = {
    "temperature": {"minimum": 0, "maximum": 2},
    "top_p": {"exclusiveMinimum": 0, "maximum": 1},
    "top_k": {"minimum": -1, "maximum": _COUNT_LIMIT},
    "min_p": {"minimum": 0, "maximum": 1},
    "presence_penalty": {"minimum": -2, "maximum": 2},
    "frequency_penalty": {"minimum": -2, "maximum": 2},
    "repetition_penalty": {"minimum": 0.01, "maximum": 10},
    "max_tokens": {"maximum": _COUNT_LIMIT},
    "max_completion_tokens": {"maximum": _COUNT_LIMIT},
    "max_output_tokens": {"maximum": _COUNT_LIMIT},
    "thinking_token_budget": {"maximum": _COUNT_LIMIT},
    "top_logprobs": {"minimum": 0, "maximum": 20},
}

_STOP_STRING: Schema = {"type": "string", "minLength": 1}
_STOP = one_of(
    _STOP_STRING, list_of(_STOP_STRING), NULL, description="Strings that end the answer and are not returned."
)
_LOGIT_BIAS: Schema = {
    "description": "Token ids as strings, and what is added to their logits.",
    "propertyNames": {"pattern": "^[0-9]{1,10}$"},
    "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
}


def complete_request(schema: Schema, offer: Offer) -> None:
    """Complete the schema of a whole body."""
    fields: dict[str, Schema] = schema["properties"]
    for name, limits in SAMPLING_RANGES.items():
        narrow(fields, name, limits)
    narrow(fields, "model", {"enum": list(offer.model_names)})
    if "stop" in fields:
        fields["stop"] = _STOP
    for name in ("stop_token_ids", "tokens"):
        narrow(fields, name, list_of({"type": "integer", "minimum": 0, "maximum": offer.vocab_size - 1}))
    if "logit_bias" in fields:
        narrow(fields, "logit_bias", _LOGIT_BIAS)
