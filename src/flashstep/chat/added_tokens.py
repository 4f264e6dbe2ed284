"""The added tokens of a tokenizer (control tokens and markers): finds them in text, longest first.

Source: the `added_tokens` table of tokenizer.json. Its flags `lstrip`, `rstrip` and `single_word` are not
honoured: an added token never swallows its neighbours (official files set none of them).
"""

import re
from collections.abc import Iterator, Mapping


class AddedTokens:
    """Content <-> id of the added tokens, and one pattern that matches any of them."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self.ids = dict(ids)
        self.contents = {number: content for content, number in self.ids.items()}
        # A pattern that can never match stands in for an empty table.
        self.pattern = re.compile(_alternatives(self.ids) if self.ids else r"(?!)")

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Cut `text` into (piece, is it an added token?), in order, without empty pieces."""
        position = 0
        for match in self.pattern.finditer(text):
            if match.start() > position:
                yield text[position : match.start()], False
            yield match.group(), True
            position = match.end()
        if position < len(text):
            yield text[position:], False


def _alternatives(contents: Mapping[str, int]) -> str:
    """A regular expression in the shape of a prefix tree: hundreds of tokens cost no more than one.

    >>> _alternatives({"<a>": 0, "<b": 1, "<b>": 2})
    '<(?:a>|b(?:>)?)'
    """
    tree: dict[str, dict] = {}  # type: ignore[type-arg]
    for content in contents:
        node = tree
        for character in content:
            node = node.setdefault(character, {})
        node[""] = {}
    return _pattern_of(tree)


def _pattern_of(node: dict[str, dict]) -> str:  # type: ignore[type-arg]
    parts = [re.escape(character) + _pattern_of(node[character]) for character in sorted(node) if character]
    if not parts:
        return ""
    if "" in node:
        return f"(?:{'|'.join(parts)})?"
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
