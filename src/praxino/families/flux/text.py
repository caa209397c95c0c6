"""Words to embeddings: T5's sequence and CLIP's pooled vector, padding and all, as the authors read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from praxino.families.flux.words import CLIP_TOKENS

if TYPE_CHECKING:
    from praxino.families.flux.load import Networks


@dataclass(frozen=True)
class Text:
    """A text as the transformer takes it."""

    states: Tensor
    """(1, tokens, channels): T5's last states, and behind them those of pictures (Redux)."""
    pooled: Tensor
    """(1, channels): CLIP's at the end mark."""


def embed(networks: Networks, text: str, max_tokens: int) -> Text:
    """What the encoders make of a text. No padding is masked out (black-forest-labs/flux, modules/conditioner.py)."""
    dtype, device = networks.transformer.dtype, networks.device
    words = torch.tensor([networks.t5_tokenizer.ids(text, max_tokens)], device=device)
    marks = torch.tensor([networks.clip_tokenizer.ids(text, CLIP_TOKENS)], device=device)
    states = networks.t5(input_ids=words)[0]
    pooled = networks.clip(input_ids=marks).pooler_output
    return Text(states.to(dtype), pooled.to(dtype))
