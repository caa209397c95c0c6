"""What pictures become before the loop: channels, CLIP features, a held frame, or what VACE reads.

Knows the loaded networks, no file and no prompt.

Sources: Wan-Video/Wan2.1 at 9737cba, wan/image2video.py, wan/first_last_frame2video.py, wan/vace.py;
Wan-Video/Wan2.2 at 42bf4cf, wan/textimage2video.py; ali-vilab/VACE, vace/annotators/frameref.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.families.wan import latents, maps, pictures, text
from praxino.families.wan.settings import from_options
from praxino.recipe import Condition, Recipe

if TYPE_CHECKING:
    from praxino.families.wan.load import Parts

VAE_STRIDE = 8
MAP_ROLES = ("control", "annotate")
"""Before the colon: a ready map, and a clip of which one is made."""


@dataclass(frozen=True)
class Given:
    """The pictures of a recipe with what each is for."""

    recipe: Recipe
    pairs: tuple[tuple[Condition, np.ndarray], ...]
    """Conditions, and their frames (F, H, W, 3) uint8."""

    def of(self, *roles: str) -> list[tuple[Condition, np.ndarray]]:
        """Those whose role, without its kind, is one of these."""
        return [(condition, frames) for condition, frames in self.pairs if condition.role.partition(":")[0] in roles]


@dataclass(frozen=True)
class Prepared:
    """What a start gets from the pictures; see `loop.Start`."""

    channels: Tensor | None = None
    held: Tensor | None = None
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    num_references: int = 0
    """Latent frames before those of the clip."""


@torch.no_grad()
def prepare(parts: Parts, given: Given) -> Prepared:
    """The pictures of a recipe as its variant takes them."""
    kind = from_options(given.recipe.options).kind
    if kind == "vace":
        return _for_vace(parts, given)
    frames = [frames[:1] for _, frames in given.of("frame")]
    if not frames:
        return Prepared()
    if kind == "latent":
        pixels = pictures.covering(frames[0][0], given.recipe.width, given.recipe.height)
        return Prepared(held=latents.encode(parts.vae, pixels).to(parts.device))
    inputs = {}
    if parts.image_encoder is not None:
        inputs["encoder_hidden_states_image"] = picture_features(parts, frames)
    recipe = given.recipe
    channels = picture_channels(parts, frames, (recipe.num_frames, recipe.height, recipe.width))
    return Prepared(channels=channels, inputs=inputs)


def picture_features(parts: Parts, frames: list[np.ndarray]) -> Tensor:
    """CLIP's features of the first frame, and perhaps of the last, (1, 3, H, W) uint8 each: (N, tokens, C)."""
    side = parts.image_encoder.config.image_size
    return text.embed_picture(parts, torch.cat([pictures.for_clip(frame, side) for frame in frames]))


def picture_channels(parts: Parts, frames: list[np.ndarray], shape: tuple[int, ...]) -> Tensor:
    """The mask of known frames and the latents of a clip that is grey but for the first, and perhaps the last.

    Args:
        parts: the loaded networks.
        frames: the known ones, (1, H, W, 3) uint8.
        shape: frames, height and width of the clip.
    """
    num_frames, height, width = shape
    clip = torch.zeros(num_frames, 3, height, width)
    known = torch.zeros(num_frames)
    first, *last = (pictures.squashed(_like(frame, frames[0]), width, height) for frame in frames)
    clip[:1], known[0] = first, 1
    for pixels in last:
        clip[-1:], known[-1] = pixels, 1
    encoded = latents.encode(parts.vae, clip)
    return torch.cat((known_mask(known, encoded), encoded), dim=1).to(parts.device)


def _like(frame: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A last frame cut in the middle to the first one's aspect; one of the same size is left alone."""
    if frame.shape == first.shape:
        return frame
    return pictures.cropped(frame, first.shape[2] / first.shape[1])


def known_mask(known: Tensor, encoded: Tensor) -> Tensor:
    """Which frames, (F,), are known, as 4 channels of a latent frame, (1, 4, f, h, w); the first fills its own."""
    spread = torch.cat((known[:1].repeat(latents.TEMPORAL_RATIO), known[1:]))
    cells = spread.view(-1, latents.TEMPORAL_RATIO).T[None, :, :, None, None]
    return cells.to(encoded).expand(-1, -1, -1, *encoded.shape[-2:])


def _for_vace(parts: Parts, given: Given) -> Prepared:
    """Frames that are kept and frames to draw, each as latents, the mask, and references before them."""
    recipe = given.recipe
    clip, mask = _source(parts, given)
    kept, drawn = (latents.encode(parts.vae, clip * share) for share in (1 - mask, mask))
    references = [
        latents.encode(parts.vae, pictures.on_canvas(frames[0], recipe.width, recipe.height))
        for _, frames in given.of("reference")
    ]
    padded = [torch.cat((latent, torch.zeros_like(latent)), dim=1) for latent in references]
    seen = torch.cat([*padded, torch.cat((kept, drawn), dim=1)], dim=2)
    cells = mask_cells(mask).to(seen)
    cells = torch.cat((cells.new_zeros(1, cells.shape[1], len(references), *cells.shape[-2:]), cells), dim=2)
    scales = [condition.strength for condition, _ in given.of(*MAP_ROLES)]
    control = torch.cat((seen, cells), dim=1).to(parts.device)
    layers = len(parts.transformer.config.vace_layers)
    inputs = {
        "control_hidden_states": control,
        "control_hidden_states_scale": control.new_full((layers,), scales[0] if scales else 1.0),
    }
    return Prepared(inputs=inputs, num_references=len(references))


def _source(parts: Parts, given: Given) -> tuple[Tensor, Tensor]:
    """What VACE is shown, (F, 3, H, W), grey where nothing is known, and its mask, (F, 1, H, W): 1 is drawn."""
    recipe = given.recipe
    clip = torch.zeros(recipe.num_frames, 3, recipe.height, recipe.width)
    mask = torch.ones(recipe.num_frames, 1, recipe.height, recipe.width)
    masks = given.of("mask")
    for condition, frames in given.of(*MAP_ROLES, *(["video"] if masks else [])):
        shown, (role, _, kind) = fill(frames, recipe.num_frames), condition.role.partition(":")
        if role == "annotate":
            shown = maps.make(kind, shown, {name: made for name, (_, made) in parts.makers.items()})
        clip = pictures.clip_covering(shown, recipe.width, recipe.height)
    for _, frames in masks:
        mask = pictures.mask_of(fill(frames, recipe.num_frames), recipe.width, recipe.height)
    for condition, frames in given.of("frame"):
        known = frames[: recipe.num_frames - condition.frame]
        until = condition.frame + len(known)
        clip[condition.frame : until] = pictures.clip_covering(known, recipe.width, recipe.height)
        mask[condition.frame : until] = 0
    return clip, mask


def fill(frames: np.ndarray, num_frames: int) -> np.ndarray:
    """So many frames of a clip: the first of them, and its last over and over where it is too short."""
    missing = max(num_frames - len(frames), 0)
    return np.concatenate((frames[:num_frames], frames[-1:].repeat(missing, axis=0)))


def mask_cells(mask: Tensor) -> Tensor:
    """A mask (F, 1, H, W) with the 8 x 8 pixels of a latent cell as channels, (1, 64, f, h, w)."""
    count, _, height, width = mask.shape
    cells = mask.view(count, height // VAE_STRIDE, VAE_STRIDE, width // VAE_STRIDE, VAE_STRIDE)
    cells = cells.permute(2, 4, 0, 1, 3).flatten(0, 1)
    size = (latents.num_latent_frames(count), *cells.shape[-2:])
    return F.interpolate(cells[None], size=size, mode="nearest-exact")
