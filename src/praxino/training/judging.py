"""Owns the judging of the second edition's clips: what a clip shows, from its frames alone, in batches on a device.

Must not know how the clips were made. The sprite atlas is the oracle. In this order: the ground whose rim is nearest to
the clip's; how many things stand apart from it; each thing cut out and moved along every motion, of which the nearest
to the clip wins (standing still is one of them); every sprite laid over each cutout.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.training.atlas import CORNERS_PX, LEVELS_PX, TILE_HEIGHT_PX, TILE_WIDTH_PX, Atlas
from praxino.training.drawing import LAYOUTS, Stage, Staging, poses
from praxino.training.edition import Edition
from praxino.training.grounds import views
from praxino.training.wishes import Wish, chance_wish

STILL = "standing still"
RIM = 0.08
"""How much of the picture on each side tells its ground."""
FAINT, PLAIN = 10.0, 34.0
"""Differences from the ground, in 0..255, at which a pixel begins to belong to a thing, and wholly does."""
SMALL_BELOW, BIG_ABOVE = 0.41, 0.61
"""Sizes between the named ones, in widths."""
APART = 0.30
"""Above this, what could be several things is one; see `_disorder`."""
MOTION_PX = 64
"""Motions are told apart in pictures with a shorter side of so many pixels."""
NUDGES = (-0.04, 0.0, 0.04)
"""How far, in sizes of a thing, its sprite is moved and scaled to fit."""


@dataclass(frozen=True)
class Cutouts:
    """What stands in a batch, a row for each: `clip` (N,) its clip, its box in pixels."""

    clip: Tensor
    mask: Tensor
    """(N, H, W) in 0..1, this thing alone."""
    x: Tensor
    y: Tensor
    side: Tensor


class Judge:
    """Tells what clips of one size show."""

    def __init__(self, edition: Edition, atlas: Atlas, width: int, height: int) -> None:
        self.edition = edition
        self.atlas = atlas
        self.width, self.height = width, height
        self.unit = min(width, height)
        self.stage = Stage(edition, atlas, width, height)
        self.names = [name for name in edition.grounds for _ in range(views(name))]
        self._sprites_small = atlas.level(len(LEVELS_PX) - 1)
        shrink = MOTION_PX / self.unit
        self.small = round(width * shrink), round(height * shrink)

    @torch.no_grad()
    def judge(self, frames: Tensor) -> list[Wish]:
        """What each clip of (B, F, 3, H, W) in 0..255 shows; a motion may be STILL, and `things` empty."""
        frames = frames.to(self.stage.device).float()
        rows, backdrop = self._grounds(frames)
        presence = ((frames - backdrop[:, None]).abs().amax(2) - FAINT) / (PLAIN - FAINT)
        presence = presence.clamp(0, 1)
        mass = presence.mean((2, 3))
        at = torch.where(mass[:, 0] < 0.35 * mass[:, -1], frames.shape[1] - 1, 0)
        every = torch.arange(len(frames), device=frames.device)
        cutouts = self._cut(presence[every, at])
        motions = self._motions(frames, backdrop, cutouts, at)
        things = self._things(frames[every, at], backdrop, cutouts)
        return [
            self._verdict(number, things, cutouts, motions[number], self.names[rows[number]], int(at[number]))
            for number in range(len(frames))
        ]

    def _grounds(self, frames: Tensor) -> tuple[list[int], Tensor]:
        """Rows of the stage's ground pictures, and those pictures in the clips' own shade (B, 3, H, W)."""
        rim = torch.ones(self.height, self.width, dtype=torch.bool, device=frames.device)
        edge = max(1, round(RIM * self.unit))
        rim[edge:-edge, edge:-edge] = False
        seen = frames.median(1).values
        away = seen[:, None, :, rim] - self.stage.grounds[None, :, :, rim]
        shade = away.median(-1, keepdim=True).values.clamp(-12, 12)
        rows = (away - shade).abs().clamp(max=40).mean((2, 3)) + 0.5 * shade.abs().mean((2, 3))
        best = rows.argmin(1)
        every = torch.arange(len(frames), device=frames.device)
        return best.tolist(), self.stage.grounds[best] + shade[every, best][..., None]

    def _cut(self, presence: Tensor) -> Cutouts:
        """Find the things in one picture of each clip (B, H, W)."""
        clips, masks = [], []
        for number, picture in enumerate(presence):
            for mask in self._apart(picture):
                clips.append(number)
                masks.append(mask)
        mask = torch.stack(masks) if masks else presence[:0]
        boxes = [_box(one, axis) for axis in (0, 1) for one in mask]
        half = len(boxes) // 2
        across, down = (torch.tensor(part, device=presence.device).view(-1, 2) for part in (boxes[:half], boxes[half:]))
        side = torch.maximum(across[:, 1] - across[:, 0], down[:, 1] - down[:, 0])
        clip = torch.tensor(clips, dtype=torch.long, device=presence.device)
        return Cutouts(clip, mask, across.mean(1) - self.width / 2, down.mean(1) - self.height / 2, side)

    def _apart(self, picture: Tensor) -> list[Tensor]:
        """The things of one picture (H, W), each alone: several where they stand as a layout has them."""
        total = picture.sum()
        if total < 0.002 * picture.numel():
            return []
        parts = {count: self._parts(picture, count) for count in self.edition.counts if count > 1}
        disorder = {count: self._disorder(picture, *part) for count, part in parts.items()}
        best = min(disorder, key=disorder.__getitem__, default=1)
        return parts[best][0] if best > 1 and disorder[best] < APART else [picture]

    def _parts(self, picture: Tensor, count: int) -> tuple[list[Tensor], Tensor, Tensor]:
        """The picture dealt out to the places of a layout; the places (K, 2); how near each pixel is to a border."""
        top, bottom = _box(picture, 1)
        heights = [y for _, y in LAYOUTS[count]]
        middle = (top + bottom) / 2 / self.unit - (max(heights) + min(heights)) / 2
        places = torch.tensor([[x * self.unit + self.width / 2, (y + middle) * self.unit] for x, y in LAYOUTS[count]])
        places = places.to(picture.device)
        rows, columns = torch.meshgrid(
            torch.arange(self.height, device=picture.device) + 0.5,
            torch.arange(self.width, device=picture.device) + 0.5,
            indexing="ij",
        )
        distance = torch.hypot(columns - places[:, 0, None, None], rows - places[:, 1, None, None])
        nearest = distance.argmin(0)
        two = distance.topk(2, 0, largest=False).values
        return [picture * (nearest == k) for k in range(count)], places, (two[1] - two[0]) / self.unit

    def _disorder(self, picture: Tensor, parts: list[Tensor], places: Tensor, border: Tensor) -> float:
        """0 where each part sits at its place with nothing between; near 1 or above where it is one thing cut up."""
        total = float(picture.sum())
        shares = [float(part.sum()) / total for part in parts]
        if min(shares) < 0.25 / len(parts):
            return 9.0
        off = 0.0
        for part, place in zip(parts, places, strict=True):
            (left, right), (top, bottom) = _box(part, 0), _box(part, 1)
            middle = torch.tensor([(left + right) / 2, (top + bottom) / 2], device=place.device)
            off = max(off, float((middle - place).norm()) / self.unit)
        between = float((picture * (border < 0.03)).sum()) / total
        return 3 * off + 4 * between

    def _motions(self, frames: Tensor, backdrop: Tensor, cutouts: Cutouts, at: Tensor) -> list[str]:
        """The motion of each clip: the cutouts are put on a small stage and moved along each."""
        every = torch.arange(len(frames), device=frames.device)
        stage = Stage(self.edition, self._sprites(frames[every, at], cutouts), *self.small)
        shown = F.interpolate(frames.flatten(0, 1), self.small[::-1], mode="area").unflatten(0, frames.shape[:2])
        ground = F.interpolate(backdrop, self.small[::-1], mode="area")
        start = shown[every, at][:, None]
        errors = [(shown - start).square().mean((1, 2, 3, 4))]
        table = poses(self.edition.motions, frames.shape[1]).to(frames.device)
        for motion in range(len(self.edition.motions)):
            staging = self._staged(len(frames), cutouts, table[motion, at], motion)
            errors.append((stage.play(staging, ground) - shown).square().mean((1, 2, 3, 4)))
        names = (STILL, *self.edition.motions)
        return [names[row] for row in torch.stack(errors).argmin(0).tolist()]

    def _staged(self, count: int, cutouts: Cutouts, begun: Tensor, motion: int) -> Staging:
        """Each clip's cutouts where they were, as things that are to move from the pose `begun` (B, 8)."""
        device = begun.device
        thing = torch.full((count, 3), -1, device=device)
        size, x, y = (torch.zeros(count, 3, device=device) for _ in range(3))
        place = _places(cutouts.clip)
        pose = begun[cutouts.clip]
        thing[cutouts.clip, place] = torch.arange(len(place), device=device)
        size[cutouts.clip, place] = cutouts.side / self.unit / torch.maximum(pose[:, 3].abs(), pose[:, 4].abs())
        x[cutouts.clip, place] = cutouts.x / self.unit - pose[:, 0]
        y[cutouts.clip, place] = cutouts.y / self.unit - pose[:, 1]
        return Staging(thing, size, x, y, torch.full((count,), motion, device=device))

    def _sprites(self, pictures: Tensor, cutouts: Cutouts) -> Atlas:
        """The cutouts as an atlas."""
        tiles = torch.zeros(len(cutouts.clip), 4, TILE_HEIGHT_PX, TILE_WIDTH_PX, device=pictures.device)
        if len(tiles):
            colour = torch.cat([pictures[cutouts.clip] * cutouts.mask[:, None], 255 * cutouts.mask[:, None]], 1)
            for side, (left, top) in zip(LEVELS_PX, CORNERS_PX, strict=True):
                tiles[:, :, top : top + side, left : left + side] = self._cropped(colour, cutouts, side)
        return Atlas(tuple(str(row) for row in range(len(tiles))), tiles.round().clamp(0, 255).byte())

    def _cropped(self, pictures: Tensor, cutouts: Cutouts, side_px: int, nudge: Sequence[float] = (0, 0, 0)) -> Tensor:
        """The square around each cutout, moved and grown by shares of its side: (N, C, side_px, side_px)."""
        dx, dy, grow = nudge
        steps = ((torch.arange(side_px, device=pictures.device) + 0.5) / side_px - 0.5)[None] * (1 + grow)
        columns = (cutouts.x[:, None] + (steps + dx) * cutouts.side[:, None]) * 2 / self.width
        rows = (cutouts.y[:, None] + (steps + dy) * cutouts.side[:, None]) * 2 / self.height
        grid = torch.stack(torch.broadcast_tensors(columns[:, None, :], rows[:, :, None]), -1)
        return F.grid_sample(pictures, grid, "bilinear", "border", align_corners=False)

    def _things(self, pictures: Tensor, backdrop: Tensor, cutouts: Cutouts) -> list[str]:
        """The sprite that each cutout is nearest to, laid over the ground there."""
        sprites = self._sprites_small
        colour, alpha = sprites[:, :3].flatten(1), sprites[:, 3:].expand(-1, 3, -1, -1).flatten(1)
        best = torch.full((len(cutouts.clip), len(sprites)), torch.inf, device=pictures.device)
        for nudge in ((x, y, grow) for x in NUDGES for y in NUDGES for grow in NUDGES):
            seen = self._cropped(pictures[cutouts.clip] / 255, cutouts, LEVELS_PX[-1], nudge).flatten(1)
            ground = self._cropped(backdrop[cutouts.clip] / 255, cutouts, LEVELS_PX[-1], nudge).flatten(1)
            # |rest - (colour - alpha ground)| squared, multiplied out so that no picture of every pair is made.
            rest = seen - ground
            error = rest.square().sum(1)[:, None] + colour.square().sum(1) + ground.square() @ alpha.square().T
            error += 2 * ((rest * ground) @ alpha.T - rest @ colour.T - ground @ (colour * alpha).T)
            best = torch.minimum(best, error)
        return [self.atlas.names[row] for row in best.argmin(1).tolist()]

    def _verdict(self, number: int, things: list[str], cutouts: Cutouts, motion: str, ground: str, at: int) -> Wish:
        rows = (cutouts.clip == number).nonzero()[:, 0].tolist()
        shown = [things[row] for row in rows]
        if not shown:
            return Wish((), STILL, ground)
        if len(shown) == 2 and len(set(shown)) == 2:
            return Wish((shown[0], shown[1]), motion, ground)
        name = Counter(shown).most_common(1)[0][0]
        if len(shown) > 1:
            return Wish((name,), motion, ground, count=len(shown))
        size = float(cutouts.side[rows[0]]) / self.unit
        if motion in self.edition.motions:
            pose = poses(self.edition.motions, self.edition.num_frames)[self.edition.motions.index(motion), at]
            size /= float(pose[3:5].abs().max())
        return Wish((name,), motion, ground, size="small" if size < SMALL_BELOW else "big" if size > BIG_ABOVE else "")


@dataclass(frozen=True)
class Marks:
    """Shares of right answers, 0 to 1; `by_name` for each thing, motion and ground asked for."""

    count: int
    things: float
    motion: float
    ground: float
    size: float
    all_right: float
    by_name: dict[str, float]


def mark(asked: Sequence[Wish], shown: Sequence[Wish]) -> Marks:
    """Compare verdicts with wishes. Things side by side may stand either way; the size counts where one was named."""
    right = [
        (
            (sorted(want.things), want.count) == (sorted(got.things), got.count),
            want.motion == got.motion,
            want.ground == got.ground,
            not want.size or want.size == got.size,
        )
        for want, got in zip(asked, shown, strict=True)
    ]
    by_name: dict[str, list[bool]] = {}
    for want, marks in zip(asked, right, strict=True):
        named = [*((thing, marks[0]) for thing in want.things), (want.motion, marks[1]), (want.ground, marks[2])]
        for name, is_right in named:
            by_name.setdefault(name, []).append(is_right)
    things, motion, ground, size = (sum(column) / len(right) for column in zip(*right, strict=True))
    shares = {name: sum(marks) / len(marks) for name, marks in by_name.items()}
    return Marks(len(right), things, motion, ground, size, sum(map(all, right)) / len(right), shares)


def self_test(judge: Judge, count: int, seed: int = 0, batch: int = 16) -> tuple[Marks, Marks]:
    """Judge clips drawn from the font: against what they show, and against one another's wishes."""
    rng = np.random.default_rng(seed)
    wishes = [chance_wish(judge.edition, rng) for _ in range(count)]
    shown: list[Wish] = []
    for first in range(0, count, batch):
        drawn = judge.stage.draw(wishes[first : first + batch], rng).round().clamp(0, 255)
        shown += judge.judge(drawn)
    return mark(wishes, shown), mark(wishes, [*shown[1:], shown[0]])


def _box(mask: Tensor, axis: int) -> tuple[float, float]:
    """First and last (exclusive) pixel along x (`axis` 0) or y (1) that the mask (H, W) covers by more than a speck."""
    covered = (mask > 0.5).sum(axis) > 1
    places = covered.nonzero()[:, 0]
    return (float(places[0]), float(places[-1]) + 1) if len(places) else (0.0, 1.0)


def _places(clip: Tensor) -> Tensor:
    """0 for the first row of each clip, 1 for its second, 2 for its third; rows of a clip stand together."""
    return torch.arange(len(clip), device=clip.device) - torch.searchsorted(clip, clip)
