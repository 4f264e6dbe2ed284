"""Encoding against the library's own tokenizer, plain encoding, bytes, and broken files."""

import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from flashstep.chat.added_tokens import AddedTokens
from flashstep.chat.detokenizer import Detokenizer
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.training.tokenizer import BOS, MARKERS, SPECIAL
from naive.answer import split_added

TEXTS = [
    "Hello, world! 12345 今日は",
    "<|im_start|>user\nHi<|im_end|>\n<think>\n",
    "a<think><think></think>b <|im_end|",
    "🎉 é\r\n\r\n  x",
    "",
]
PIECES = st.sampled_from([*SPECIAL, *MARKERS, "<", "think>", "ab", " ", "\n", "ü", "🎉", "9"])


@pytest.fixture(scope="module")
def library(folder) -> tokenizers.Tokenizer:
    """The same file in the library's hands, added tokens and all."""
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.mark.parametrize("text", TEXTS)
def test_encode_agrees_with_the_library(tokenizer, library, text: str) -> None:
    assert tokenizer.encode(text) == library.encode(text, add_special_tokens=False).ids


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_encode_agrees_with_the_library_on_any_mix(tokenizer, library, text: str) -> None:
    assert tokenizer.encode(text) == library.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_plain_encoding_has_no_added_token_and_loses_nothing(tokenizer, text: str) -> None:
    ids = tokenizer.encode_plain(text)
    assert not set(ids) & tokenizer.added_tokens.contents.keys()
    assert tokenizer.decode(ids) == text


def test_control_tokens_are_special_and_markers_are_not(tokenizer) -> None:
    assert all(tokenizer.is_special(tokenizer.token_id(t)) for t in SPECIAL)
    assert not any(tokenizer.is_special(tokenizer.token_id(t)) for t in MARKERS)
    assert not tokenizer.is_special(tokenizer.token_id("a"))


def test_markers_are_spelled_out_even_when_a_file_calls_them_special(folder, tmp_path) -> None:
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    for token in state["added_tokens"]:
        token["special"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert Detokenizer(loaded).feed(loaded.encode("a</think>b<|im_end|>")) == "a</think>b"


def test_ids_run_from_zero_to_the_vocabulary_size(tokenizer, library) -> None:
    size = tokenizer.vocab_size
    assert size == library.get_vocab_size()
    assert all(tokenizer.token_bytes(i) for i in range(size))
    assert tokenizer.token_bytes(size) == tokenizer.token_bytes(-1) == b""
    assert tokenizer.token_bytes(tokenizer.token_id("<think>")) == b"<think>"


def test_every_byte_has_a_token(tokenizer) -> None:
    single = {tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)}
    assert {bytes([b]) for b in range(256)} <= single


def test_unknown_token_texts_have_no_id(tokenizer) -> None:
    assert tokenizer.token_id("<|im_end|>") == 4
    assert tokenizer.token_id("<|unheard|>") is None


def test_bos_comes_from_the_configuration_in_both_spellings(folder, tokenizer, tmp_path) -> None:
    assert tokenizer.bos_token == BOS
    assert tokenizer.eos_token == "<|im_end|>"
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    assert Tokenizer.load(tmp_path).bos_token == ""
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": {"content": "<s>"}, "eos_token": null}')
    assert (Tokenizer.load(tmp_path).bos_token, Tokenizer.load(tmp_path).eos_token) == ("<s>", "")


def test_a_post_processor_truncation_and_padding_in_the_file_have_no_effect(
    folder, tokenizer, tmp_path
) -> None:
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.post_processor = tokenizers.processors.TemplateProcessing(f"{BOS} $A", None, [(BOS, 0)])
    library.enable_truncation(3)
    library.enable_padding(length=9)
    library.save(str(tmp_path / "tokenizer.json"))
    assert Tokenizer.load(tmp_path).encode("Hello, world!") == tokenizer.encode("Hello, world!")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not found"),
        ('{"model": ', "is not JSON"),
        ("[]", "holds a list"),
        ('{"model": {"type": "Unigram", "vocab": []}}', "has no BPE model"),
        ('{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}', "not ByteLevel"),
        (
            '{"model": {"vocab": {"a": 0, "b": 1}, "merges": ["a b"]}, "decoder": {"type": "ByteLevel"}}',
            "needs 'ab', which has no id",
        ),
    ],
)
def test_a_missing_or_broken_file_is_a_config_error(tmp_path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        Tokenizer.load(tmp_path)
    assert "tokenizer.json" in caught.value.message


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("ab<", min_size=1, max_size=4), min_size=1, max_size=5, unique=True),
    st.text("ab<", max_size=12),
)
def test_added_tokens_are_found_leftmost_then_longest(contents: list[str], text: str) -> None:
    added = AddedTokens({content: i for i, content in enumerate(contents)})
    assert [piece for piece, _ in added.split(text)] == split_added(text, contents)


def test_without_added_tokens_everything_is_plain() -> None:
    assert list(AddedTokens({}).split("a<think>")) == [("a<think>", False)]


@pytest.mark.parametrize("text", ["今日は 🎉", "e\u0301 ü", "👩‍🚀"])
def test_half_a_character_is_never_shown(tokenizer, text: str) -> None:
    detokenizer = Detokenizer(tokenizer)
    token_of = {tokenizer.token_bytes(i): i for i in range(tokenizer.vocab_size)}
    shown = [detokenizer.feed([token_of[bytes([b])]]) for b in text.encode()]
    assert "".join(shown) == text
    assert all("\ufffd" not in piece for piece in shown)
    assert detokenizer.flush() == ""


def test_an_incomplete_character_at_the_end_becomes_the_replacement_character(tokenizer) -> None:
    detokenizer = Detokenizer(tokenizer)
    first_byte = next(i for i in range(tokenizer.vocab_size) if tokenizer.token_bytes(i) == "ü".encode()[:1])
    letter = tokenizer.token_id("a")
    assert detokenizer.feed([first_byte]) == ""
    assert detokenizer.feed([letter, first_byte]) == "\ufffda"
    assert detokenizer.flush() == "\ufffd"


def test_byte_level_marks_never_show(tokenizer) -> None:
    text = Detokenizer(tokenizer).feed(tokenizer.encode("a b\n\tc\u00a0d"))
    assert text == "a b\n\tc\u00a0d"


def test_control_tokens_and_unused_ids_make_no_text(tokenizer) -> None:
    ids = [*tokenizer.encode("a<|im_end|>b<im_patch>"), 5000]
    assert Detokenizer(tokenizer).feed(ids) == "ab"
