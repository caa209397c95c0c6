"""What checkpoints around a Stable Diffusion UNet have in common, as data: tasks, sizes, and reading their configs."""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Variant
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.schedulers import DIFFUSION, name_of

DRAWING = ("text-to-image", "image-to-image", "inpainting", "outpainting")
FILLING = ("inpainting", "outpainting")
"""All that a UNet with nine channels does, which are for the latents, a mask, and the latents around it."""
CHANGING = {"image-to-image": 0.8, "inpainting": 1.0, "outpainting": 1.0}
"""The share of the noise levels that is run; diffusers' own defaults for Stable Diffusion."""
GRID = Grid(size_multiple=8, min_side=256, max_side=2048, frame_step=1, max_frames=1)
"""Multiples of 8 are what the pipelines take; the bounds are our own: beyond them, pictures fall apart."""
MAPS = ("canny", "depth", "pose", "scribble", "normal", "segmentation", "tile")
"""The kinds that there are ControlNets for."""
DEPTH_ANYTHING = "depth-anything/Depth-Anything-V2-Small-hf"
"""What makes depth maps of photos; Apache-2.0."""
UNKNOWN_LICENCE: dict[str, Any] = {
    "licence": "unknown; see where it came from", "restrictions": "", "source": "", "networks": {},
}  # fmt: skip
"""What is not known of a checkpoint that is none of the published ones."""


def half_files(*folders: str) -> tuple[str, ...]:
    """The files of a Hub repository in diffusers' layout, with the weights of those folders in half precision."""
    weights = tuple(f"{folder}/*.fp16.safetensors" for folder in folders)
    return ("model_index.json", "*/*.json", "*/merges.txt", *weights)


def found_in_file(base: Variant, name: str, title: str, filling: bool) -> Variant:
    """A variant for a single file that is run as `base` is."""
    return dataclasses.replace(base, name=name, title=title, tasks=FILLING if filling else DRAWING, **UNKNOWN_LICENCE)


def found(base: Variant, name: str, title: str, folder: Folder) -> Variant:
    """A variant for a folder that is run as `base` is, with what its configs say otherwise."""
    unet, vae = folder.config("unet"), folder.config("vae")
    cell_px = 2 ** (len(vae.get("block_out_channels", (1, 2, 3, 4))) - 1)
    side = (unet.get("sample_size") or base.width // cell_px) * cell_px
    smallest = min(side, GRID.min_side)
    return dataclasses.replace(
        base,
        name=name,
        title=title,
        width=side,
        height=side,
        grid=dataclasses.replace(GRID, min_side=smallest),
        tasks=FILLING if unet.get("in_channels") == 9 else DRAWING,
        scheduler=name_of(folder.config("scheduler"), DIFFUSION),
        **UNKNOWN_LICENCE,
    )
