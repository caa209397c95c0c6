"""The published SDXL checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Variant
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.schedulers import DIFFUSION, name_of
from praxino.recipe import GuidancePhase

TASKS = ("text-to-image", "image-to-image", "inpainting", "outpainting")
GRID = Grid(size_multiple=8, min_side=256, max_side=2048, frame_step=1, max_frames=1)
"""Multiples of 8 are what the pipelines take; the bounds are our own: beyond them, pictures fall apart."""
OPEN_RAIL = "CreativeML Open RAIL++-M"
RESTRICTIONS = "the licence forbids certain uses; read its list first"
STRENGTH = {"image-to-image": 0.8, "inpainting": 1.0, "outpainting": 1.0}


def _published(name: str, title: str, source: str, **data: Any) -> Variant:
    defaults: dict[str, Any] = {
        "licence": OPEN_RAIL,
        "restrictions": RESTRICTIONS,
        "tasks": TASKS,
        "grid": GRID,
        "width": 1024,
        "height": 1024,
        "steps": 50,
        "guidance_phases": (GuidancePhase(start=1.0, scale=5.0),),
    }
    return Variant(
        name=name,
        title=title,
        source=source,
        num_frames=1,
        fps=1.0,
        schedule="scheduler",
        dtype="float16",
        max_text_tokens=77,
        options={"strength": STRENGTH},
        **{**defaults, **data},
    )


BASE = _published("sdxl-base", "SDXL 1.0 base", "stabilityai/stable-diffusion-xl-base-1.0")
TURBO = _published(
    "sdxl-turbo", "SDXL Turbo: one step", "stabilityai/sdxl-turbo",
    steps=1, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),), width=512, height=512,
    scheduler="euler-ancestral",
    licence="Stability AI Community License", restrictions="free of charge up to a yearly revenue; read it first",
)  # fmt: skip
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (BASE, TURBO)}


def variant_of(folder: Folder) -> Variant | None:
    """A folder's variant: a published one where the configs have its marks, else one made for it."""
    unet, scheduler = folder.config("unet"), folder.config("scheduler")
    side = unet.get("sample_size", 128) * 8
    name = name_of(scheduler, DIFFUSION)
    base = BASE
    return dataclasses.replace(base, width=side, height=side, scheduler=name)
