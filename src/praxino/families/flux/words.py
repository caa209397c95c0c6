"""Words to token ids, and what of a prompt is beyond an encoder's reach. Needs `tokenizers`, but no torch.

The tokenizers themselves are read by `praxino.families._tokens`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import _tokens

CLIP_TOKENS = 77
T5_PAD = "<pad>"


class Tokenizer:
    """A fast tokenizer with its padding."""

    def __init__(self, fast: Any, pad: str, where: Path) -> None:
        pad_id = fast.token_to_id(pad)
        if pad_id is None:
            raise ModelError(f"the tokenizer in {where} has no {pad} token, so it is not the one of FLUX.1.")
        self._fast = fast
        self._padding: dict[str, Any] = {"pad_id": pad_id, "pad_token": pad}

    def ids(self, text: str, max_tokens: int) -> list[int]:
        """Exactly `max_tokens` ids: cut or padded."""
        self._fast.enable_truncation(max_tokens)
        self._fast.enable_padding(length=max_tokens, **self._padding)
        return self._fast.encode(text).ids

    def unread(self, text: str, max_tokens: int) -> str:
        """The end of a text that `ids` leaves out, "" when it is read whole."""
        self._fast.no_truncation()
        self._fast.no_padding()
        encoding = self._fast.encode(text)
        if len(encoding.ids) <= max_tokens:
            return ""
        first = encoding.offsets[max_tokens - 1][0]
        return text[first:].strip()


@lru_cache(maxsize=4)
def clip_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer` folder: `tokenizer.json`, else `vocab.json` and `merges.txt`.

    Raises:
        ModelError: it is missing or damaged.
    """
    return Tokenizer(_tokens.read(folder), _tokens.CLIP_END, folder)


@lru_cache(maxsize=4)
def t5_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer_2` folder: `tokenizer.json`.

    Raises:
        ModelError: it is missing or damaged.
    """
    return Tokenizer(_tokens.read(folder), T5_PAD, folder)


def unread_notes(prompt: str, home: Path, max_text_tokens: int) -> Iterator[str]:
    """One line for each encoder that does not read a prompt to its end; none when its tokenizer is not here."""
    encoders = (
        ("CLIP", home / "tokenizer", clip_tokenizer, CLIP_TOKENS),
        ("T5", home / "tokenizer_2", t5_tokenizer, max_text_tokens),
    )
    for name, folder, read, limit in encoders:
        if folder.is_dir() and (unread := read(folder).unread(prompt, limit)):
            yield _tokens.unread_note(name, limit, unread)
