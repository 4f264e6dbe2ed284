"""Trains a byte-level BPE tokenizer of the official shape and writes its two files.

Pre-tokenisation follows the DeepSeek-V3 family (three isolated splits, then bytes), control
tokens have the official texts, ids 0-2 the official roles. No torch here.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
# Order is id order. The second group is spelled out when decoding (the parsers look for it).
SPECIAL = (BOS, EOS, PAD, "<|im_start|>", "<|im_end|>", "<im_patch>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")

# What a checkpoint folder has besides weights and config: written by `save_tokenizer`.
CHAT_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")

_DIGITS = r"\p{N}{1,3}"
_CJK = "[一-龥぀-ゟ゠-ヿ]+"
_WORDS = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*"
    "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn merges from `texts`. Digits merge only where `texts` has them side by side, so a
    corpus of lone digits gives one token per digit."""
    tokenizer = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Split(Regex(p), "isolated") for p in (_DIGITS, _CJK, _WORDS)]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    added = [AddedToken(t, special=True, normalized=False) for t in SPECIAL + MARKERS]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=added,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _unmark(tokenizer)


def _unmark(tokenizer: Tokenizer) -> Tokenizer:
    """The trainer marks all given tokens special; the markers must survive decoding."""
    state = json.loads(tokenizer.to_str())
    for token in state["added_tokens"]:
        token["special"] = token["content"] in SPECIAL
    return Tokenizer.from_str(json.dumps(state))


def save_tokenizer(tokenizer: Tokenizer, path: Path, template: str) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja into folder `path`."""
    tokenizer.save(str(path / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": "<|im_end|>",
        "pad_token": PAD,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 262144,
        "chat_template": template,
    }
    text = json.dumps(config, ensure_ascii=False, indent=1)
    (path / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    (path / "chat_template.jinja").write_text(template, encoding="utf-8")
