"""Where tokens lie: the angles of rotary embeddings, in float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from praxino.families.cogvideox.variants import PATCH

Rotary = tuple[Tensor, Tensor]
"""Cosines and sines, (tokens, head channels)."""


def rotary(config: Any, shape: tuple[int, int, int], device: torch.device) -> Rotary | None:
    """Of latents of that many frames, rows and columns; None for a transformer that adds its positions.

    From CogVideoX1.5 on tokens are counted from the upper left, however many there are; the stock pipeline stops at the
    transformer's own size, which upright pictures exceed. Before, other sizes are stretched over its positions.
    """
    from diffusers.models.embeddings import get_3d_rotary_pos_embed

    if not config.use_rotary_positional_embeddings:
        return None
    frames, rows, columns = shape[0], shape[1] // PATCH, shape[2] // PATCH
    common: dict[str, Any] = {"embed_dim": config.attention_head_dim, "grid_size": (rows, columns), "device": device}
    if config.patch_size_t is None:
        region = _region((rows, columns), (config.sample_height // PATCH, config.sample_width // PATCH))
        return get_3d_rotary_pos_embed(crops_coords=region, temporal_size=frames, **common)  # pyright: ignore
    frames = -(-frames // config.patch_size_t)
    return get_3d_rotary_pos_embed(
        crops_coords=None, temporal_size=frames, grid_type="slice", max_size=(rows, columns), **common
    )  # pyright: ignore


def _region(grid: tuple[int, int], base: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The part of the transformer's own grid, (rows, columns), that another is laid over, by two of its corners."""
    rows, columns = grid
    if rows / columns > base[0] / base[1]:
        size = base[0], round(base[0] / rows * columns)
    else:
        size = round(base[1] / columns * rows), base[1]
    top, left = (round((whole - part) / 2.0) for whole, part in zip(base, size, strict=True))
    return (top, left), (top + size[0], left + size[1])
