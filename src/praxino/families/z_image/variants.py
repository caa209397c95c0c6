"""The published Z-Image checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import QWEN_3_4B, VAE_16
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

TRANSFORMER = Network(6_154_908_736, largest=39_321_600, matrices=6_153_870_848, width=3840)

TURBO_MAPS = "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1/Z-Image-Turbo-Fun-Controlnet-"
BASE_MAPS = "alibaba-pai/Z-Image-Fun-Controlnet-Union-2.1/Z-Image-Fun-Controlnet-"
"""Where the ControlNets lie, one file each: for all kinds of map but tiles, and for those."""
MAPS = ("canny", "depth", "pose", "scribble")


def _companions(union: str, tile: str) -> dict[str, str]:
    return {**{f"controlnet:{kind}": union for kind in MAPS}, "controlnet:tile": tile}


def _published(name: str, title: str, source: str, companions: dict[str, str], **data: Any) -> Variant:
    return Variant(
        name=name,
        title=title,
        source=source,
        licence="Apache-2.0",
        steering=(*(f"control:{kind}" for kind in (*MAPS, "tile")), "lora"),
        tasks=("text-to-image", "image-to-image", "inpainting", "outpainting"),
        grid=Grid(size_multiple=16, min_side=64, max_side=2048, frame_step=1, max_frames=1),
        width=1024,
        height=1024,
        num_frames=1,
        fps=1.0,
        schedule="scheduler",
        max_text_tokens=512,
        networks={"transformer": TRANSFORMER, "text_encoder": QWEN_3_4B, "vae": VAE_16},
        options={
            "strength": {"image-to-image": 0.6, "inpainting": 1.0, "outpainting": 1.0},
            "control_scale": 0.75,
            "companions": companions,
        },
        **data,
    )


TURBO = _published(
    "z-image-turbo", "Z-Image Turbo: few steps, no guidance", "Tongyi-MAI/Z-Image-Turbo",
    _companions(f"{TURBO_MAPS}Union-2.1-2601-8steps.safetensors", f"{TURBO_MAPS}Tile-2.1-2601-8steps.safetensors"),
    steps=9, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),), file_formats={"transformer": "float32"},
)  # fmt: skip
BASE = _published(
    "z-image", "Z-Image", "Tongyi-MAI/Z-Image",
    _companions(f"{BASE_MAPS}Union-2.1.safetensors", f"{BASE_MAPS}Tile-2.1-lite.safetensors"),
    steps=50, guidance_phases=(GuidancePhase(start=1.0, scale=5.0),),
)  # fmt: skip
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (TURBO, BASE)}


def variant_of(folder: Folder) -> Variant | None:
    """Turbo, whose guidance is distilled, unless a praxino.json says otherwise: the configs are alike."""
    return TURBO
