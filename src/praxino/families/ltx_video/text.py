"""Words to embeddings: T5 with its padding masked out, as the authors run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from praxino.errors import ModelError
from praxino.families.ltx_video.spiece import PAD, read_spiece


@dataclass(frozen=True)
class Embedded:
    """A text as the transformer takes it."""

    states: Tensor
    """(1, tokens, channels)."""
    mask: Tensor
    """(1, tokens), 1 for words and 0 for padding."""


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
        self._fast.enable_truncation(max_tokens)
        self._fast.enable_padding(length=max_tokens, pad_id=self._pad_id, pad_token=PAD)
        encoding = self._fast.encode(text)
        return torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask])


def embed(text_encoder: Any, tokenizer: Tokenizer, text: str, max_tokens: int, dtype: torch.dtype) -> Embedded:
    """What T5 makes of a text (Lightricks/LTX-Video at 5260738, encode_prompt)."""
    device = text_encoder.device
    ids, mask = (tensor.to(device) for tensor in tokenizer(text.strip(), max_tokens))
    states = text_encoder(input_ids=ids, attention_mask=mask)[0]
    return Embedded(states.to(dtype), mask)


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
