"""A JSON schema as the text that its grammar is made from and remembered by.

Annotations are left out: they cannot change the grammar, and often they are most of a schema. A name in
`properties` or `$defs` that reads like one of them stays, and so do values in `enum` and `const`.
"""

import json
from typing import Any

from flashstep.chat.schema_shape import MAX_DEPTH, NAMED_SCHEMAS, SCHEMA, SCHEMAS

MAX_BYTES = 256 << 10  # of the text, as UTF-8
_ANNOTATIONS = frozenset(
    ("$comment", "default", "deprecated", "description", "example", "examples", "readOnly", "title",
     "writeOnly")
)  # fmt: skip


def schema_text(schema: Any) -> str:
    """JSON without annotations; ValueError when it is longer than MAX_BYTES."""
    text = json.dumps(_bare(schema, 0), ensure_ascii=False)
    num_bytes = len(text.encode("utf-8", "replace"))
    if num_bytes > MAX_BYTES:
        raise ValueError(
            f"without descriptions, titles, defaults and examples it has {num_bytes} bytes, more than the "
            f"{MAX_BYTES} that can be enforced; split it up, or leave out some of its enum values, patterns "
            "and properties"
        )
    return text


def _bare(schema: Any, depth: int) -> Any:
    """The same without annotations, as deep as a schema may be."""
    if isinstance(schema, list):
        return [_bare(item, depth) for item in schema]
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return schema
    return {word: _inner(word, value, depth) for word, value in schema.items() if word not in _ANNOTATIONS}


def _inner(word: str, value: Any, depth: int) -> Any:
    if word in NAMED_SCHEMAS and isinstance(value, dict):
        return {name: _bare(schema, depth + 1) for name, schema in value.items()}
    return _bare(value, depth + 1) if word in SCHEMA or word in SCHEMAS or word == "items" else value
