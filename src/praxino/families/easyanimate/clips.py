"""Frames, clips and maps as EasyAnimate's pipelines take them: (1, 3, F, H, W) from 0 to 1, and masks of 0 and 255."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from praxino.errors import UserError
from praxino.families._stock import Given, control
from praxino.families._stock.pictures import fitted_clip, of_role

ANEW = 255
"""In a mask: is drawn. 0 is kept."""


def shown(named: dict[str, Any], num_frames: int) -> dict[str, Tensor]:
    """A first and a last frame among those that are drawn; what is hidden looks like the first."""
    if "image" not in named:
        return {}
    frames = [named["image"]] * num_frames
    mask = torch.full((1, 1, num_frames, *_pixels(frames[:1]).shape[3:]), ANEW, dtype=torch.float32)
    mask[:, :, 0] = 0
    if "last_image" in named:
        frames[-1] = named["last_image"]
        mask[:, :, -1] = 0
    return {"video": _pixels(frames), "mask_video": mask}


def changed(given: Given, frames: list[Image.Image]) -> dict[str, Tensor]:
    """A clip that is drawn anew from as much noise as `strength` says: where its mask is white, or all of it.

    Raises:
        UserError: the mask is of another size than the clip.
    """
    video = _pixels(frames)
    masks = of_role(given.recipe, given.pictures, "mask")
    if not masks:
        return {"video": video, "mask_video": torch.full_like(video[:, :1], ANEW)}
    (clip,) = of_role(given.recipe, given.pictures, "video")
    if masks[0].shape[1:3] != clip.shape[1:3]:
        sizes = [f"{shape[2]}x{shape[1]}" for shape in (masks[0].shape, clip.shape)]
        raise UserError(f"--mask has {sizes[0]} pixels and --video {sizes[1]}; they must be alike.")
    fitted = _pixels(fitted_clip(masks[0], len(frames), *frames[0].size))
    return {"video": video, "mask_video": (fitted.mean(1, keepdim=True) >= 0.5).float() * ANEW}


def followed(given: Given, first: Image.Image | None) -> dict[str, Tensor]:
    """A map of every frame, and the first frame."""
    arguments = {} if first is None else {"ref_image": _pixels([first])}
    for frames in control.maps(given):
        arguments["control_video"] = _pixels(frames)
    return arguments


def _pixels(frames: list[Image.Image]) -> Tensor:
    stacked = np.stack([np.asarray(frame) for frame in frames])
    return torch.from_numpy(stacked).permute(3, 0, 1, 2)[None].float() / 255
