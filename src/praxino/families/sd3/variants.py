"""The published Stable Diffusion 3 checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import CLIP_G, CLIP_L_PROJECTED, T5_XXL, VAE_16
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

GRID = Grid(size_multiple=16, min_side=256, max_side=2048, frame_step=1, max_frames=1)
"""Multiples of 16 are what the pipelines take: 8 for the VAE, 2 for the patches."""


STEERING = (*(f"control:{kind}" for kind in ("canny", "depth", "pose", "tile", "blur", "inpaint")), "reference", "lora")
STRENGTH = {"image-to-image": 0.6, "inpainting": 0.6, "outpainting": 1.0}
COMPANIONS_3 = {
    "controlnet:canny": "InstantX/SD3-Controlnet-Canny",
    "controlnet:pose": "InstantX/SD3-Controlnet-Pose",
    "controlnet:tile": "InstantX/SD3-Controlnet-Tile",
    "controlnet:inpaint": "alimama-creative/SD3-Controlnet-Inpainting",
}
SIGLIP = "google/siglip-so400m-patch14-384"
"""What reads pictures for the IP-Adapters."""
COMPANIONS_LARGE = {
    "ip-adapter": "guiyrt/InstantX-SD3.5-Large-IP-Adapter-diffusers/ip-adapter.safetensors",
    "controlnet:canny": "stabilityai/stable-diffusion-3.5-large-controlnet-canny",
    "controlnet:depth": "stabilityai/stable-diffusion-3.5-large-controlnet-depth",
    "controlnet:blur": "stabilityai/stable-diffusion-3.5-large-controlnet-blur",
}


TRANSFORMER_3 = Network(
    2_084_951_104, largest=56_623_104, matrices=2_083_848_192, width=1536, kind="SD3Transformer2DModel"
)
TRANSFORMER_MEDIUM = Network(
    2_469_663_936, largest=226_492_416, matrices=2_468_413_440, width=1536, kind="SD3Transformer2DModel"
)
TRANSFORMER_LARGE = Network(
    8_146_280_768, largest=89_653_248, matrices=8_143_503_360, width=2432, kind="SD3Transformer2DModel"
)


def _networks(transformer: Network) -> dict[str, Network]:
    readers = {"text_encoder": CLIP_L_PROJECTED, "text_encoder_2": CLIP_G, "text_encoder_3": T5_XXL}
    return {"transformer": transformer, **readers, "vae": VAE_16}


def _published(name: str, title: str, source: str, layers: int, **data: Any) -> Variant:
    companions = {"image-encoder": SIGLIP, **data.pop("companions", {})}
    defaults: dict[str, Any] = {"steps": 28, "guidance_phases": (GuidancePhase(start=1.0, scale=7.0),)}
    return Variant(
        name=name,
        title=title,
        source=source,
        licence="Stability AI Community License",
        restrictions="free of charge up to a yearly revenue of 1,000,000 US dollars; read it first",
        steering=STEERING,
        tasks=("text-to-image", "image-to-image", "inpainting", "outpainting"),
        grid=GRID,
        width=1024,
        height=1024,
        num_frames=1,
        fps=1.0,
        schedule="scheduler",
        max_text_tokens=256,
        gated=True,
        options={"strength": STRENGTH, "layers": layers, "companions": companions},
        **{**defaults, **data},
    )


SD3 = _published(
    "sd3-medium", "Stable Diffusion 3 Medium", "stabilityai/stable-diffusion-3-medium-diffusers", 24,
    companions=COMPANIONS_3, networks=_networks(TRANSFORMER_3),
)  # fmt: skip
MEDIUM = _published(
    "sd3.5-medium", "Stable Diffusion 3.5 Medium", "stabilityai/stable-diffusion-3.5-medium", 24,
    networks=_networks(TRANSFORMER_MEDIUM),
)  # fmt: skip
LARGE = _published(
    "sd3.5-large", "Stable Diffusion 3.5 Large", "stabilityai/stable-diffusion-3.5-large", 38,
    companions=COMPANIONS_LARGE, networks=_networks(TRANSFORMER_LARGE),
)  # fmt: skip
TURBO = _published(
    "sd3.5-large-turbo", "Stable Diffusion 3.5 Large Turbo: four steps, no guidance",
    "stabilityai/stable-diffusion-3.5-large-turbo", 38,
    companions=COMPANIONS_LARGE, networks=_networks(TRANSFORMER_LARGE),
    steps=4, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
)  # fmt: skip
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (SD3, MEDIUM, LARGE, TURBO)}


def variant_of(folder: Folder) -> Variant | None:
    """A folder's variant, by the transformer's depth and its dual attention layers, which only 3.5 Medium has.

    Turbo is as Large in every config but the scheduler's, which does not move its levels at run time there either; a
    praxino.json names it.
    """
    network = folder.config("transformer")
    if network.get("num_layers") == LARGE.options["layers"]:
        return LARGE
    base = MEDIUM if network.get("dual_attention_layers") else SD3
    return (
        base
        if network.get("num_layers") == base.options["layers"]
        else dataclasses.replace(base, name="sd3", networks={})
    )
