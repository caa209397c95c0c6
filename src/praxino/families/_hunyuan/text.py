"""Words, and the picture that they are about, to embeddings: the language model's states and CLIP's pooled vector.

Source: Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d, hyvideo/text_encoder/__init__.py (TextEncoder.encode).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from praxino.families._hunyuan.settings import Settings
from praxino.families._hunyuan.template import (
    ASSISTANT_TOKENS,
    EVERY_IMAGE_TOKEN,
    HEADERS,
    HIDDEN_STATE,
    IMAGE_START,
    IMAGE_TOKENS,
    Template,
)

if TYPE_CHECKING:
    from praxino.families._hunyuan.load import Parts

CLIP_TOKENS = 77


@dataclass(frozen=True)
class Embedded:
    """A text as the transformer takes it."""

    states: Tensor
    """(1, tokens, channels): of the picture, then of the words."""
    mask: Tensor
    """(1, tokens), 1 where the transformer looks."""
    pooled: Tensor
    """(1, channels): CLIP's at the end mark."""


def embed(parts: Parts, prompt: str, template: Template, settings: Settings, picture: np.ndarray | None) -> Embedded:
    """What the encoders make of a prompt and, from a picture to a clip, of the picture, (H, W, 3) uint8."""
    words = prompt.strip()
    ids, mask = parts.tokenizer.ids(template.around(words), template.crop_start + settings.max_text_tokens)
    states, looked_at = states_of(parts, (ids, mask), template, settings, picture)
    dtype = parts.transformer.dtype
    return Embedded(states.to(dtype), looked_at.to(dtype), pooled(parts, words).to(dtype))


def states_of(
    parts: Parts,
    tokens: tuple[list[int], list[int]],
    template: Template,
    settings: Settings,
    picture: np.ndarray | None,
) -> tuple[Tensor, Tensor]:
    """The language model's states (1, tokens, channels) and mask (1, tokens), of token ids and their mask."""
    if picture is None:
        return _of_words(parts, *tokens, template)
    states, looked_at = _of_picture(parts, *tokens, template, picture)
    every = EVERY_IMAGE_TOKEN[settings.kind]
    shown = states[:, :IMAGE_TOKENS:every], looked_at[:, :IMAGE_TOKENS:every]
    return torch.cat([shown[0], states[:, IMAGE_TOKENS:]], 1), torch.cat([shown[1], looked_at[:, IMAGE_TOKENS:]], 1)


def _of_words(parts: Parts, ids: list[int], mask: list[int], template: Template) -> tuple[Tensor, Tensor]:
    given = {"input_ids": _row(parts, ids), "attention_mask": _row(parts, mask)}
    states = parts.text_encoder(**given, output_hidden_states=True).hidden_states[HIDDEN_STATE]
    return states[:, template.crop_start :], given["attention_mask"][:, template.crop_start :]


def _of_picture(
    parts: Parts, ids: list[int], mask: list[int], template: Template, picture: np.ndarray
) -> tuple[Tensor, Tensor]:
    """The picture's states, and behind them those of the prompt with the assistant's header cut out."""
    wide_ids, wide_mask = (_with_picture(row, fill) for row, fill in ((ids, ids[IMAGE_START]), (mask, 1)))
    looked_at = _row(parts, wide_mask)
    states = parts.text_encoder(
        input_ids=_row(parts, wide_ids),
        attention_mask=looked_at,
        position_ids=(looked_at.cumsum(-1) - 1).masked_fill(looked_at == 0, 1),
        pixel_values=_shown(parts.image_processor, picture).to(parts.device),
        output_hidden_states=True,
    ).hidden_states[HIDDEN_STATE]
    end = _answer(ids, parts.tokenizer.end_of_header_id) + IMAGE_TOKENS - 1
    kept = (
        slice(IMAGE_START, IMAGE_START + IMAGE_TOKENS),
        slice(template.crop_start + IMAGE_TOKENS - 1, end - ASSISTANT_TOKENS),
        slice(end, None),
    )
    return tuple(torch.cat([whole[:, part] for part in kept], 1) for whole in (states, looked_at))  # pyright: ignore


def _answer(ids: list[int], end_of_header_id: int) -> int:
    """Where the assistant's answer would begin; the end where a long prompt left its header no room."""
    ends = [index for index, token in enumerate(ids) if token == end_of_header_id]
    return ends[-1] + 1 if len(ends) >= HEADERS else len(ids)


def _with_picture(row: list[int], fill: int) -> list[int]:
    """A row of tokens with room for the picture's in place of its one token."""
    return [*row[:IMAGE_START], *[fill] * IMAGE_TOKENS, *row[IMAGE_START + 1 :]]


def _shown(processor: Any, picture: np.ndarray) -> Tensor:
    from PIL import Image

    return processor(Image.fromarray(picture), return_tensors="pt").pixel_values


def pooled(parts: Parts, words: str) -> Tensor:
    """CLIP's vector of a text, (1, channels)."""
    given = parts.tokenizer_2(
        words, padding="max_length", max_length=CLIP_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    return parts.text_encoder_2(given.to(parts.device)).pooler_output


def _row(parts: Parts, values: list[int]) -> Tensor:
    return torch.tensor([values], device=parts.device)
