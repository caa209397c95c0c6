"""Words to what the video and the sound are each told: Gemma's hidden states of all layers, through the connectors.

Source: diffusers 0.42.1, pipelines/ltx2/pipeline_ltx2.py (encode_prompt).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PADDING_SIDE = "left"


@dataclass(frozen=True)
class Told:
    """Texts as the transformer takes them, one after the other along the first axis."""

    video: Tensor
    """(texts, tokens, channels)."""
    sound: Tensor
    """(texts, tokens, channels)."""
    mask: Tensor
    """(texts, tokens)."""

    def last(self) -> Told:
        """The last text alone."""
        return Told(self.video[-1:], self.sound[-1:], self.mask[-1:])


def read(text_encoder: Any, tokenizer: Any, connectors: Any, texts: tuple[str, ...], max_tokens: int) -> Told:
    """What the networks make of the texts."""
    states, masks = zip(*(_states(text_encoder, tokenizer, text, max_tokens) for text in texts), strict=True)
    video, sound, mask = connectors(torch.cat(states), torch.cat(masks), padding_side=PADDING_SIDE)
    return Told(video, sound, mask)


def _states(text_encoder: Any, tokenizer: Any, text: str, max_tokens: int) -> tuple[Tensor, Tensor]:
    """The hidden states of all layers side by side, (1, tokens, channels x layers), and the mask."""
    tokenizer.padding_side = PADDING_SIDE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    read = tokenizer(
        [text.strip()], padding="max_length", max_length=max_tokens, truncation=True, return_tensors="pt"
    ).to(text_encoder.device)
    found = text_encoder(input_ids=read.input_ids, attention_mask=read.attention_mask, output_hidden_states=True)
    return torch.stack(found.hidden_states, dim=-1).flatten(2, 3).to(text_encoder.dtype), read.attention_mask
