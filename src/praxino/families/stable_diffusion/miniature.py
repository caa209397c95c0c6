"""A tiny Stable Diffusion with random weights: every class of the real pipeline, 2 MB, made in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families import Variant
from praxino.families._stock import clip_tokenizer, tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20232
TEXT_CHANNELS = 32
KINDS = {
    "": ("StableDiffusionPipeline", 4),
    "inpainting": ("StableDiffusionInpaintPipeline", 9),
    "instruction-editing": ("StableDiffusionInstructPix2PixPipeline", 8),
}
"""The pipeline and the UNet's channels of what does not draw from words alone, by task."""

UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (16, 16, 32),
    "norm_num_groups": 8,
    "layers_per_block": 1,
    "cross_attention_dim": TEXT_CHANNELS,
    "attention_head_dim": 2,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def write(folder: Path, variant: Variant) -> None:
    """Make the networks of a published variant, the same each time, and save them as a diffusers folder."""
    from praxino.families.stable_diffusion import alone

    kind = next(iter(variant.options.get("pipelines", {}).values()), "")
    if kind in alone.PARTS:
        card = _card(f"{variant.name}-miniature") | dict.fromkeys(("width", "height"), alone.side_px(kind))
        tiny.save(lambda: alone.make_pipeline(folder, kind), folder, WEIGHTS_SEED, card)
        alone.settle(folder, kind)
        return
    task = variant.tasks[0]
    filling, editing = task == "inpainting", task == "instruction-editing"
    name = f"sd-miniature-{task}" if task in KINDS else "sd-miniature"
    tiny.save(lambda: make_pipeline(folder, filling, editing=editing), folder, WEIGHTS_SEED, _card(name))


def make_pipeline(folder: Path, filling: bool, *, editing: bool = False) -> Any:
    """The pipeline with random weights from torch's global generator; its tokenizer is written to `folder`.

    Args:
        folder: where.
        filling: whether its UNet has nine channels, for a mask and the latents around it.
        editing: whether it has eight, for the latents of the picture to edit.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    size = clip_tokenizer.write(folder / "tokenizer")
    kind, channels = KINDS["inpainting" if filling else "instruction-editing" if editing else ""]
    return diffusers_class(kind)(
        vae=tiny.autoencoder(4),
        text_encoder=CLIPTextModel(clip_tokenizer.encoder_config(size, TEXT_CHANNELS)),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=diffusers_class("UNet2DConditionModel")(**{**UNET, "in_channels": channels}),
        scheduler=diffusers_class("PNDMScheduler")(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _card(name: str) -> dict[str, Any]:
    return {
        "family": "stable-diffusion",
        "variant": name,
        "title": "Stable Diffusion in miniature: random weights, for trying things out",
        "source": "",
        "licence": "Apache-2.0",
        "restrictions": "",
        "gated": False,
        "steps": 4,
    }
