"""Words to embeddings: T5 with its padding masked out, as the authors run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from praxino.families._t5 import Tokenizer


@dataclass(frozen=True)
class Embedded:
    """A text as the transformer takes it."""

    states: Tensor
    """(1, tokens, channels)."""
    mask: Tensor
    """(1, tokens), 1 for words and 0 for padding."""


def embed(text_encoder: Any, tokenizer: Tokenizer, text: str, max_tokens: int, dtype: torch.dtype) -> Embedded:
    """What T5 makes of a text (Lightricks/LTX-Video at 5260738, encode_prompt)."""
    device = text_encoder.device
    ids, mask = (tensor.to(device) for tensor in tokenizer(text.strip(), max_tokens))
    states = text_encoder(input_ids=ids, attention_mask=mask)[0]
    return Embedded(states.to(dtype), mask)
