"""Words to embeddings with SDXL's two CLIP encoders. A text longer than 75 tokens is read in pieces, never cut.

Up to 75 tokens this is what hotshotco/Hotshot-XL at cc01f7f does (hotshot_xl_pipeline.py, encode_prompt). Beyond, the
pieces are encoded one by one and their states put in a row, as SDXL's user interfaces do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

PIECE_TOKENS = 75
"""CLIP's 77 without the marks of beginning and end."""


@dataclass(frozen=True)
class Encoder:
    """A CLIP text encoder and its tokenizer, as transformers has them."""

    tokenizer: Any
    model: Any


@dataclass(frozen=True)
class Embedded:
    """Texts as the UNet takes them, one row each."""

    states: Tensor
    """(texts, tokens, channels of both encoders)."""
    pooled: Tensor
    """(texts, channels): the second encoder's projection of each text's first piece."""


def embed(encoders: Sequence[Encoder], texts: Sequence[str], dtype: torch.dtype) -> Embedded:
    """Encode texts together: as many tokens for each as the longest needs."""
    states = []
    pooled = torch.empty(0)
    for encoder in encoders:
        pieces = [_pieces(encoder.tokenizer, text) for text in texts]
        rows = zip_longest(*pieces, fillvalue=_framed(encoder.tokenizer, []))
        encoded = [_encode(encoder.model, row) for row in rows]
        states.append(torch.cat([hidden for hidden, _ in encoded], dim=1))
        pooled = encoded[0][1]
    return Embedded(torch.cat(states, dim=-1).to(dtype), pooled.to(dtype))


def _encode(model: Any, row: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """The last but one hidden states (texts, 77, C) and the first output, of one piece of each text."""
    output = model(torch.tensor(row, device=model.device), output_hidden_states=True)
    return output.hidden_states[-2], output[0]


def _pieces(tokenizer: Any, text: str) -> list[list[int]]:
    ids = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    starts = range(0, max(len(ids), 1), PIECE_TOKENS)
    return [_framed(tokenizer, ids[start : start + PIECE_TOKENS]) for start in starts]


def _framed(tokenizer: Any, ids: list[int]) -> list[int]:
    framed = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    return framed + [tokenizer.pad_token_id] * (PIECE_TOKENS + 2 - len(framed))
