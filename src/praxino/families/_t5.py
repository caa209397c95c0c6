"""Words to T5's token ids, and what of a prompt is beyond its reach. Importable without torch or transformers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import ModelError
from praxino.families import _tokens
from praxino.families._spiece import PAD, read_spiece

if TYPE_CHECKING:
    from torch import Tensor


class Tokenizer:
    """A T5 tokenizer, read without transformers' classes: they cost start-up time."""

    def __init__(self, folder: Path) -> None:
        self._fast = _read(folder)
        pad_id = self._fast.token_to_id(PAD)
        if pad_id is None:
            raise ModelError(f"the tokenizer in {folder} has no {PAD} token, so it is not T5's.")
        self._pad_id = pad_id

    def __call__(self, text: str, max_tokens: int) -> tuple[Tensor, Tensor]:
        """Ids and mask, (1, max_tokens) int64: cut or padded to that length."""
        import torch

        self._fast.enable_truncation(max_tokens)
        self._fast.enable_padding(length=max_tokens, pad_id=self._pad_id, pad_token=PAD)
        encoding = self._fast.encode(text)
        return torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask])

    def unread(self, text: str, max_tokens: int) -> str:
        """The end of a text that is cut off at so many tokens, "" when it is read whole."""
        self._fast.no_truncation()
        self._fast.no_padding()
        encoding = self._fast.encode(text)
        if len(encoding.ids) <= max_tokens:
            return ""
        return text[encoding.offsets[max_tokens - 1][0] :].strip()


def unread_notes(text: str, folder: Path, max_tokens: int) -> Iterator[str]:
    """One line when T5 does not read a text to its end; none when its tokenizer is not in the folder."""
    if not folder.is_dir():
        return
    if unread := Tokenizer(folder).unread(text, max_tokens):
        yield _tokens.unread_note("T5", max_tokens, unread)


def _read(folder: Path) -> Any:
    """The fast tokenizer in a folder, from `tokenizer.json`, else from `spiece.model`.

    Raises:
        ModelError: there is neither, or it is damaged.
    """
    from tokenizers import Tokenizer as Fast

    if (file := folder / "tokenizer.json").is_file():
        try:
            return Fast.from_file(str(file))
        except Exception as problem:  # tokenizers raises nothing narrower
            raise ModelError(f"{file} is not a readable tokenizer: {problem}") from problem
    if (file := folder / "spiece.model").is_file():
        return read_spiece(file)
    raise ModelError(f"{folder} has neither tokenizer.json nor spiece.model; fetch T5's tokenizer into it.")
