"""A custom tool's text, taken out of arguments that arrive in pieces of any size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashstep.server.responses.custom_input import CustomInput

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def read(arguments: str, step: int) -> tuple[list[str], CustomInput, bool]:
    reader = CustomInput()
    pieces = [reader.feed(arguments[i : i + step]) for i in range(0, len(arguments), step)]
    rest, is_complete = reader.finish()
    return [*pieces, rest], reader, is_complete


@given(TEXT, st.integers(1, 7))
def test_the_pieces_spell_the_text_however_they_are_cut(text, step):
    pieces, reader, is_complete = read(json.dumps({"input": text}, ensure_ascii=False), step)
    assert is_complete
    assert "".join(pieces) == reader.text == text


@given(TEXT.filter(bool), st.integers(1, 7), st.data())
def test_what_breaks_off_is_a_beginning_and_not_complete(text, step, data):
    whole = json.dumps({"input": text}, ensure_ascii=False)
    cut = data.draw(st.integers(0, len(whole) - 1))
    pieces, reader, is_complete = read(whole[:cut], step)
    assert not is_complete
    assert text.startswith("".join(pieces))
    assert reader.text == "".join(pieces)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "a", "more": 1}', "a"),
        ('{"more": 1, "input": "a"}', "a"),
        ('{"patch": "a"}', '{"patch": "a"}'),
        ("{}", "{}"),
    ],
)
def test_arguments_of_another_shape_are_handed_over(arguments, text):
    _, reader, is_complete = read(arguments, 3)
    assert is_complete
    assert reader.text == text
