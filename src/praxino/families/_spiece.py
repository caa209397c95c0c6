"""Reads `spiece.model`, the tokenizer that T5 was published with, into a fast tokenizer.

transformers does so too, but needs sentencepiece and protobuf for it, and seconds. The file is in protocol buffers:
google/sentencepiece, src/sentencepiece_model.proto (ModelProto). Knows unigram models without byte fallback, as T5's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from praxino.errors import ModelError

PIECES, NORMALIZER = 1, 3
"""Fields of ModelProto."""
TEXT, SCORE, KIND = 1, 2, 3
"""Fields of a piece."""
CHARACTER_MAP = 2
"""Field of the normalizer: which characters become which others."""
UNKNOWN = 2
"""The kind of the piece that stands for whatever has no other."""
SPACE, END, PAD = "▁", "</s>", "<pad>"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_spiece(path: Path) -> Any:
    """The `tokenizers.Tokenizer` of a file.

    Raises:
        ModelError: the file is damaged.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    try:
        pieces, unknown, character_map = _parse(path.read_bytes())
        characters = normalizers.Precompiled(character_map)
        tokenizer: Any = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
        end_id = [piece for piece, _ in pieces].index(END)
    except (ValueError, IndexError, struct.error, OSError) as problem:
        raise ModelError(f"{path} is not a readable SentencePiece model: {problem}") from problem
    spaces = [normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), SPACE)]
    tokenizer.normalizer = normalizers.Sequence([characters, *spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end_id)])
    tokenizer.add_special_tokens([PAD, END, pieces[unknown][0]])
    return tokenizer


def _parse(data: bytes) -> tuple[list[tuple[str, float]], int, bytes]:
    """Pieces with their scores, the number of the unknown piece, and the normalizer's character map."""
    pieces: list[tuple[str, float]] = []
    unknown, character_map = 0, b""
    for field, value in _fields(data):
        if field == PIECES:
            piece = dict(_fields(value))
            score = struct.unpack("<f", piece.get(SCORE, bytes(4)))[0]
            if piece.get(KIND) == UNKNOWN:
                unknown = len(pieces)
            pieces.append((piece[TEXT].decode(), score))
        elif field == NORMALIZER:
            character_map = dict(_fields(value)).get(CHARACTER_MAP, b"")
    if not pieces or not character_map:
        raise ValueError("it has no pieces, or ends before its character map")
    return pieces, unknown, character_map


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of one message: whole numbers as int, all else as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
        else:
            if wire == BYTES:
                size, at = _varint(data, at)
            elif wire in (FIXED32, FIXED64):
                size = 4 if wire == FIXED32 else 8
            else:
                raise ValueError(f"wire type {wire} at byte {at}")
            if at + size > len(data):
                raise ValueError(f"it ends within a field of {size} bytes")
            value, at = data[at : at + size], at + size
        yield field, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, lowest first, and where the next field begins."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
