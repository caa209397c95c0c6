"""Owns drawing an edition's clips in batches on a device: wishes become frames by sampling the sprite atlas.

Must not know captions or networks. Sizes are in pixels; "widths" are of the picture's shorter side. A batch is a
function of its wishes and its generator alone.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.training.atlas import CORNERS_PX, LEVELS_PX, TILE_HEIGHT_PX, TILE_WIDTH_PX, Atlas
from praxino.training.edition import Edition
from praxino.training.grounds import COLOURS, draw_ground, views
from praxino.training.motions import CROSSINGS, PATHS, Pose
from praxino.training.wishes import Wish

LAYOUTS: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.0, 0.0),),
    2: ((-0.23, 0.0), (0.23, 0.0)),
    3: ((-0.24, 0.14), (0.24, 0.14), (0.0, -0.2)),
}
"""Where so many things stand, in widths from the middle."""
LAYOUT_SIZE = {1: 1.0, 2: 0.68, 3: 0.56}
"""How much smaller each is than one alone."""
JITTER = 0.03
"""How far a thing stands from its place at most, in widths."""
COLOUR_JITTER = 5.0
MARGIN = 1.04
"""What crosses the picture travels its width and its own size times this: it is out of sight when it comes round."""


@dataclass(frozen=True)
class Staging:
    """Where everything stands in a batch: `thing` (B, P) rows of the atlas or -1, `size`, `x`, `y` (B, P) in widths."""

    thing: Tensor
    size: Tensor
    x: Tensor
    y: Tensor
    motion: Tensor
    """(B,) rows of the edition's motions."""


@functools.cache
def poses(motions: tuple[str, ...], num_frames: int) -> Tensor:
    """(M, F, 8): x, y, angle, scale_x, scale_y, opacity, and the share of a crossing done along x and along y."""
    rows = [[_pose(name, i / (num_frames - 1)) for i in range(num_frames)] for name in motions]
    return torch.tensor(rows, dtype=torch.float32)


def _pose(name: str, t: float) -> tuple[float, ...]:
    pose: Pose = PATHS[name](t)
    right, down = CROSSINGS.get(name, (0, 0))
    x, y = 0.0 if right else pose.x, 0.0 if down else pose.y
    return x, y, pose.angle, pose.scale_x, pose.scale_y, pose.opacity, right * t, down * t


class Stage:
    """Draws the clips of one edition at one size."""

    def __init__(self, edition: Edition, atlas: Atlas, width: int, height: int) -> None:
        self.edition = edition
        self.atlas = atlas
        self.width, self.height = width, height
        self.device = atlas.tiles.device
        self._rows = {name: row for row, name in enumerate(atlas.names)}
        self._first_view: dict[str, int] = {}
        pictures: list[np.ndarray] = []
        for name in edition.grounds:
            self._first_view[name] = len(pictures)
            pictures += [draw_ground(name, width, height, view) for view in range(views(name))]
        self.grounds = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(self.device)
        """(G, 3, H, W) in 0..255, each ground's views in a row."""

    def draw(self, wishes: Sequence[Wish], rng: np.random.Generator, *, is_still: bool = False) -> Tensor:
        """(B, F, 3, H, W) in 0..255, on the stage's device; of stills the first frame alone."""
        staging, grounds = self.place(wishes, rng), self.ground_pictures([wish.ground for wish in wishes], rng)
        return self.play(staging, grounds, slice(1) if is_still else slice(None))

    def place(self, wishes: Sequence[Wish], rng: np.random.Generator) -> Staging:
        """Give each thing its place and size, a little moved."""
        things = np.full((len(wishes), 3), -1)
        size, x, y = (np.zeros((len(wishes), 3), np.float32) for _ in range(3))
        for row, wish in enumerate(wishes):
            shown = wish.shown
            for place, (name, (left, top)) in enumerate(zip(shown, LAYOUTS[len(shown)], strict=True)):
                things[row, place] = self._rows[name]
                x[row, place], y[row, place] = left, top
            size[row] = rng.uniform(*self.edition.sizes[wish.size]) * LAYOUT_SIZE[len(shown)]
        x += rng.uniform(-JITTER, JITTER, x.shape)
        y += rng.uniform(-JITTER, JITTER, y.shape)
        motion = np.array([self.edition.motions.index(wish.motion) for wish in wishes])
        return Staging(*(torch.from_numpy(array).to(self.device) for array in (things, size, x, y, motion)))

    def ground_pictures(self, names: Sequence[str], rng: np.random.Generator) -> Tensor:
        """(B, 3, H, W): a view of each, its colour a little off."""
        rows = [self._first_view[name] + rng.integers(views(name)) for name in names]
        off = rng.uniform(-COLOUR_JITTER, COLOUR_JITTER, (len(names), 3))
        off[[name not in COLOURS for name in names]] *= 0.5
        pictures = self.grounds[torch.tensor(rows, device=self.device)]
        return (pictures + torch.from_numpy(off).float().to(self.device)[..., None, None]).clamp(0, 255)

    def play(self, staging: Staging, grounds: Tensor, frames: slice = slice(None)) -> Tensor:
        """Move the staged things over `grounds` (B, 3, H, W): (B, F, 3, H, W) in 0..255, of all `frames` or some."""
        steps = poses(self.edition.motions, self.edition.num_frames).to(self.device)[staging.motion, frames]
        shown = grounds[:, None].expand(-1, steps.shape[1], -1, -1, -1).clone()
        for place in range(staging.thing.shape[1]):
            rows = (staging.thing[:, place] >= 0).nonzero()[:, 0]
            if len(rows):
                layer = self._layer(staging, rows, place, steps[rows])
                over = shown if len(rows) == len(shown) else shown[rows]
                over.mul_(1 - layer[:, :, 3:]).add_(layer[:, :, :3], alpha=255)
                if over is not shown:
                    shown[rows] = over
        return shown

    def _layer(self, staging: Staging, rows: Tensor, place: int, steps: Tensor) -> Tensor:
        """One thing of each clip of `rows`, moved: (R, F, 4, H, W) premultiplied in 0..1."""
        unit = min(self.width, self.height)
        size = staging.size[rows, place, None] * unit
        x, y, angle, scale_x, scale_y, opacity, right, down = steps.unbind(-1)
        from_left = _travelled((x + staging.x[rows, place, None]) * unit, right, self.width + MARGIN * size)
        from_top = _travelled((y + staging.y[rows, place, None]) * unit, down, self.height + MARGIN * size)
        tiles = self.atlas.tiles[staging.thing[rows, place]].float() / 255
        grid = self._grid((from_left, from_top), angle, (size * _visible(scale_x), size * _visible(scale_y)))
        sampled = F.grid_sample(tiles, grid.flatten(1, 2), "bilinear", "zeros", align_corners=False)
        layer = sampled.unflatten(2, (steps.shape[1], self.height)).transpose(1, 2)
        return layer.mul_(opacity[..., None, None, None])

    def _grid(self, centre: tuple[Tensor, Tensor], angle: Tensor, drawn: tuple[Tensor, Tensor]) -> Tensor:
        """Where in its tile each pixel of each frame is read: (R, F, H, W, 2) in -1..1; all inputs are (R, F)."""
        # Each coordinate is a sum of one term by column and one by row: a frame is passed over as seldom as can be.
        cos, sin = angle.cos(), angle.sin()
        level = _level(torch.maximum(drawn[0].abs(), drawn[1].abs()))
        side = torch.tensor(LEVELS_PX, device=self.device)[level]
        corner = torch.tensor(CORNERS_PX, device=self.device)[level]
        columns = torch.arange(self.width, device=self.device) + 0.5 - self.width / 2
        rows = torch.arange(self.height, device=self.device) + 0.5 - self.height / 2
        grid = torch.empty(*angle.shape, self.height, self.width, 2, device=self.device)
        turned = ((cos, sin, drawn[0], TILE_WIDTH_PX), (-sin, cos, drawn[1], TILE_HEIGHT_PX))
        for axis, (right, down, across, tile_px) in enumerate(turned):
            unit, zero = 2 / tile_px, corner[..., axis] * (2 / tile_px) - 1
            zoom = side / across
            start = side / 2 - (right * centre[0] + down * centre[1]) * zoom
            by_column = (right * zoom * unit)[..., None, None] * columns
            by_row = (down * zoom * unit)[..., None] * rows + (start * unit + zero)[..., None]
            torch.add(by_column, by_row[..., None], out=grid[..., axis])
            # Just outside the level lies its gutter, which is empty.
            least, most = zero - unit, zero + (side + 1) * unit
            grid[..., axis].clamp_(least[..., None, None], most[..., None, None])
        return grid


def _level(drawn_px: Tensor) -> Tensor:
    """The smallest level that is not drawn larger than it is."""
    sides = torch.tensor(LEVELS_PX, device=drawn_px.device)
    return ((sides >= drawn_px[..., None]).sum(-1) - 1).clamp(min=0)


def _travelled(start: Tensor, share: Tensor, distance: Tensor) -> Tensor:
    """Places in pixels from the middle, going round where a crossing is made."""
    return torch.where(share != 0, (start + share * distance + distance / 2) % distance - distance / 2, start)


def _visible(scale: Tensor) -> Tensor:
    """A scale that can be divided by."""
    return torch.where(scale < 0, -1.0, 1.0) * scale.abs().clamp(min=0.02)


def to_uint8(frames: Tensor) -> np.ndarray:
    """(B, F, 3, H, W) in 0..255 -> (B, F, H, W, 3) uint8."""
    return frames.round().clamp(0, 255).byte().permute(0, 1, 3, 4, 2).cpu().numpy()
