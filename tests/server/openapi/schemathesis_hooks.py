"""What schemathesis cannot know: the strings of a format that is ours. Loaded by its command line."""

import json

import schemathesis
from hypothesis import strategies as st

schemathesis.openapi.format(
    "json-object", st.dictionaries(st.text(max_size=8), st.integers(), max_size=3).map(json.dumps)
)
