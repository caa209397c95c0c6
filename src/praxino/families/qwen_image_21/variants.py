"""The published Qwen-Image 2.1 checkpoints, as data, and how a folder tells which it is. No torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

PIPELINE = "QwenImage21Pipeline"
SAMPLE_SIGMAS = "sample_sigmas"
"""Where a model_index.json says by which noise levels its checkpoint is drawn."""
SIDE_PX = 1024
"""Of the pictures that its pipeline draws, and shows its networks, unless told otherwise."""
NETWORKS = {
    "transformer": Network(
        7_115_124_736, largest=67_108_864, matrices=7_115_112_448, width=4096, kind="QwenImage21Transformer2DModel"
    ),
    "text_encoder": Network(8_767_123_696, largest=622_329_856),
    "vae": Network(337_740_404, kind="AutoencoderKLQwenImage21", decoder_channels=144),
}


def _published(name: str, title: str, source: str, **data: Any) -> Variant:
    return Variant(
        name=name,
        title=title,
        source=source,
        licence="Qwen Research License",
        restrictions="not for commercial use; read it first",
        tasks=("text-to-image", "instruction-editing"),
        steering=("reference", "lora"),
        grid=Grid(size_multiple=32, min_side=64, max_side=2048, frame_step=1, max_frames=1),
        width=SIDE_PX,
        height=SIDE_PX,
        num_frames=1,
        fps=1.0,
        guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
        schedule="scheduler",
        options={"strength": {}},
        networks=NETWORKS,
        file_formats={"vae": "float32"},
        **data,
    )


BASE = _published(
    "qwen-image-2.1", "Qwen-Image 2.1: draws, and changes a picture as it is told", "Qwen/Qwen-Image-2.1", steps=40
)
TURBO = _published("qwen-image-2.1-turbo", "Qwen-Image 2.1 Turbo: eight steps", "Qwen/Qwen-Image-2.1-Turbo", steps=8)
"""Its noise levels are said in its own folder."""
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (BASE, TURBO)}


def variant_of(folder: Folder) -> Variant | None:
    """Turbo says its noise levels; another that does is run with as many steps."""
    levels = folder.index.get(SAMPLE_SIGMAS)
    return dataclasses.replace(TURBO, steps=len(levels)) if levels else BASE
