"""Words to embeddings: T5 in float32, as the authors run it.

Source: genmoai/mochi at 0c86aeb, src/genmo/mochi_preview/pipelines.py (get_conditioning_for_prompts).
"""

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
    """(1, tokens, channels) float32."""
    mask: Tensor
    """(1, tokens) bool, True for words."""


def embed(text_encoder: Any, tokenizer: Tokenizer, text: str, max_tokens: int, device: torch.device) -> Embedded:
    """What T5 makes of a text. Of an empty one there is nothing to see: ids of 0 and a mask without a word."""
    ids, mask = (tensor.to(device) for tensor in tokenizer(text, max_tokens))
    if text == "":
        ids, mask = torch.zeros_like(ids), torch.zeros_like(mask)
    states = text_encoder(input_ids=ids, attention_mask=mask)[0]
    return Embedded(states.float(), mask.bool())
