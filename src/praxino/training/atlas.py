"""Owns the sprite atlas: every thing of an edition at five sizes, packed for a device to sample.

Must not know motions, grounds or captions. A tile holds one thing: premultiplied RGBA at half-octave steps of size,
each on transparent gutters, so that a sampler picks the level near the size it draws and never reads a neighbour.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from praxino.errors import UserError
from praxino.training.sprites import draw_sprite, find_font

LEVELS_PX = (128, 90, 64, 45, 32)
GUTTER_PX = 2
_COLUMNS = ((0,), (1, 4), (2, 3))
"""Which levels stand below one another."""


def _corners() -> tuple[tuple[int, int], ...]:
    """Left and upper edge of each level in its tile."""
    found: dict[int, tuple[int, int]] = {}
    left = GUTTER_PX
    for column in _COLUMNS:
        top = GUTTER_PX
        for level in column:
            found[level] = left, top
            top += LEVELS_PX[level] + 2 * GUTTER_PX
        left += LEVELS_PX[column[0]] + 2 * GUTTER_PX
    return tuple(found[level] for level in range(len(LEVELS_PX)))


CORNERS_PX = _corners()
TILE_WIDTH_PX = GUTTER_PX * 6 + sum(LEVELS_PX[column[0]] for column in _COLUMNS)
TILE_HEIGHT_PX = LEVELS_PX[0] + 2 * GUTTER_PX


@dataclass(frozen=True)
class Atlas:
    """`tiles` is (N, 4, TILE_HEIGHT_PX, TILE_WIDTH_PX) uint8 premultiplied RGBA in the order of `names`."""

    names: tuple[str, ...]
    tiles: Tensor

    @classmethod
    def draw(cls, things: dict[str, str], device: torch.device | str = "cpu") -> "Atlas":
        """Draw things (name and character) with the font.

        Raises:
            UserError: the machine has no colour font, or the font lacks one of the characters.
        """
        tiles = np.zeros((len(things), TILE_HEIGHT_PX, TILE_WIDTH_PX, 4), np.uint8)
        for tile, (name, character) in zip(tiles, things.items(), strict=True):
            sprite = draw_sprite(name, character, LEVELS_PX[0])
            if sprite is None:
                raise UserError(f"the font {find_font()} lacks {character} ({name})")
            pack(tile, sprite.pixels)
        return cls(tuple(things), torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous().to(device))

    def level(self, number: int) -> Tensor:
        """All things at one size: (N, 4, s, s) float in 0..1."""
        (left, top), side = CORNERS_PX[number], LEVELS_PX[number]
        return self.tiles[:, :, top : top + side, left : left + side].float() / 255


def pack(tile: np.ndarray, pixels: np.ndarray) -> None:
    """Write a thing (128, 128, 4), premultiplied, into its tile at every level."""
    largest = Image.frombytes("RGBa", (LEVELS_PX[0], LEVELS_PX[0]), pixels.tobytes())
    for side, (left, top) in zip(LEVELS_PX, CORNERS_PX, strict=True):
        level = largest if side == LEVELS_PX[0] else largest.resize((side, side), Image.Resampling.BOX)
        tile[top : top + side, left : left + side] = np.asarray(level)
