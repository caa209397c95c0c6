"""A tiny Stable Diffusion with random weights: every class of the real pipeline, 2 MB, made in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import clip_tokenizer
from praxino.families._stock.checkpoint import CARD
from praxino.families._stock.load import diffusers_class, quiet

WEIGHTS_SEED = 20232
TEXT_CHANNELS = 32

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
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "sample_size": 64,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def write(folder: Path, *, filling: bool) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder.

    Args:
        folder: where.
        filling: whether the UNet has nine channels, for inpainting.
    """
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        make_pipeline(folder, filling).save_pretrained(folder)
    clip_tokenizer.write_json(folder / CARD, _card(filling))


def make_pipeline(folder: Path, filling: bool) -> Any:
    """The pipeline with random weights from torch's global generator; its tokenizer is written to `folder`."""
    from transformers import CLIPTextModel, CLIPTokenizer

    size = clip_tokenizer.write(folder / "tokenizer")
    return diffusers_class("StableDiffusionInpaintPipeline" if filling else "StableDiffusionPipeline")(
        vae=diffusers_class("AutoencoderKL")(**VAE),
        text_encoder=CLIPTextModel(clip_tokenizer.encoder_config(size, TEXT_CHANNELS)),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=diffusers_class("UNet2DConditionModel")(**{**UNET, **({"in_channels": 9} if filling else {})}),
        scheduler=diffusers_class("PNDMScheduler")(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _card(filling: bool) -> dict[str, Any]:
    return {
        "family": "stable-diffusion",
        "variant": "sd-miniature-inpainting" if filling else "sd-miniature",
        "title": "Stable Diffusion in miniature: random weights, for trying things out",
        "source": "",
        "licence": "Apache-2.0",
        "steps": 4,
    }
