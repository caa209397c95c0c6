"""Tokenizers of checkpoints, read from their files by `tokenizers` alone. Importable without torch or transformers.

CLIP's and Qwen2's are built as transformers builds them (models/clip/tokenization_clip.py,
models/qwen2/tokenization_qwen2.py at 5.0), BERT's as `tokenizers` does.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families._spiece import read_spiece

CLIP_START, CLIP_END = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SHOWN_CHARACTERS = 60
"""How much of an unread end is shown."""


@lru_cache(maxsize=8)
def read(folder: Path) -> Any:
    """The `tokenizers.Tokenizer` in a folder.

    Raises:
        ModelError: it holds none that is known here, or a damaged one.
    """
    try:
        found = _read(folder)
    except ModelError:
        raise
    except Exception as problem:  # tokenizers raises nothing narrower
        raise ModelError(f"{folder} holds no readable tokenizer: {problem}") from problem
    if found is None:
        raise ModelError(f"{folder} holds no readable tokenizer: no tokenizer.json, spiece.model or vocabulary.")
    return found


def unread(text: str, folder: Path, max_tokens: int, before: str = "") -> str:
    """The end of a text that is cut off at so many tokens, "" when it is read whole.

    Args:
        text: what is written.
        folder: the tokenizer's.
        max_tokens: with the marks that the tokenizer puts around.
        before: what is put before the text, and read with it.
    """
    fast = read(folder)
    fast.no_truncation()
    fast.no_padding()
    marks = len(fast.encode("").ids)
    offsets = fast.encode(before + text, add_special_tokens=False).offsets
    if len(offsets) <= max_tokens - marks:
        return ""
    return text[max(offsets[max_tokens - marks][0] - len(before), 0) :].strip()


def unread_note(reader: str, max_tokens: int, unread: str, text: str = "the prompt") -> str:
    """The line that tells which end of a text a reader of so many tokens leaves out."""
    shown = unread[:SHOWN_CHARACTERS] + ("..." if len(unread) > SHOWN_CHARACTERS else "")
    return f"{reader} reads {max_tokens} tokens of {text}; it does not read: {shown!r}"


def clip(vocabulary: dict[str, int], merges: list[Any]) -> Any:
    """CLIP's tokenizer of its words and their merges."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    fast: Any = Tokenizer(
        models.BPE(vocabulary, merges, end_of_word_suffix="</w>", continuing_subword_prefix="", unk_token=CLIP_END)
    )
    fast.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    split = pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True)
    fast.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    start, end = (CLIP_START, vocabulary[CLIP_START]), (CLIP_END, vocabulary[CLIP_END])
    fast.post_processor = processors.RobertaProcessing(end, start, trim_offsets=False, add_prefix_space=False)
    fast.add_special_tokens([CLIP_START, CLIP_END])
    return fast


def _read(folder: Path) -> Any:
    from tokenizers import Tokenizer

    if (file := folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(file))
    if (file := folder / "spiece.model").is_file():
        return read_spiece(file)
    if (file := folder / "vocab.txt").is_file():
        return _bert(folder)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
        merges = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
        return clip(vocabulary, merges) if CLIP_START in vocabulary else _qwen2(vocabulary, merges, folder)
    return None


def _qwen2(vocabulary: dict[str, int], merges: list[Any], folder: Path) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

    fast: Any = Tokenizer(models.BPE(vocabulary, merges))
    fast.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN_WORDS), behavior="isolated")
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.pre_tokenizer = pre_tokenizers.Sequence([split, bytewise])
    config = folder / "tokenizer_config.json"
    told = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    fast.add_tokens([AddedToken(one["content"], special=True) for one in told.get("added_tokens_decoder", {}).values()])
    return fast


def _bert(folder: Path) -> Any:
    from tokenizers import BertWordPieceTokenizer

    config = folder / "tokenizer_config.json"
    told = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    return BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=bool(told.get("do_lower_case", True)))
