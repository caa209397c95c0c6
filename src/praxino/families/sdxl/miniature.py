"""A tiny SDXL with random weights: every class of the real pipeline, 2 MB, made in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from praxino.families import Variant
from praxino.families._stock import clip_tokenizer, tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20231
TEXT_CHANNELS = (16, 32)
"""Of the two text encoders; the second's is also that of its projection."""
TIME_CHANNELS = 8

UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (16, 16, 32),
    "norm_num_groups": 8,
    "layers_per_block": 2,
    "cross_attention_dim": sum(TEXT_CHANNELS),
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (2, 2, 4),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": TIME_CHANNELS,
    "projection_class_embeddings_input_dim": 6 * TIME_CHANNELS + TEXT_CHANNELS[1],
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def write(folder: Path, variant: Variant) -> None:
    """Make the networks of a published variant, the same each time, and save them as a diffusers folder."""
    make = MAKERS.get(variant.name, lambda folder: make_pipeline(folder, filling=False))
    tiny.save(lambda: make(folder), folder, WEIGHTS_SEED, _card(variant))


def make_pipeline(folder: Path, filling: bool) -> Any:
    """The pipeline with random weights from torch's global generator; its tokenizers are written to `folder`.

    Args:
        folder: where.
        filling: whether the UNet has nine channels, for inpainting.
    """
    kind = "StableDiffusionXLInpaintPipeline" if filling else "StableDiffusionXLPipeline"
    return diffusers_class(kind)(**_parts(folder, **({"in_channels": 9} if filling else {})))


def _editing(folder: Path) -> Any:
    """Its UNet is shown the latents of the picture to edit."""
    return diffusers_class("StableDiffusionXLInstructPix2PixPipeline")(**_parts(folder, in_channels=8))


def _refiner(folder: Path) -> Any:
    """It has the second text encoder alone, and is told how good the picture is to look at."""
    told = {
        "cross_attention_dim": TEXT_CHANNELS[1],
        "projection_class_embeddings_input_dim": 5 * TIME_CHANNELS + TEXT_CHANNELS[1],
    }
    parts = {**_parts(folder, **told), "text_encoder": None, "tokenizer": None}
    return diffusers_class("StableDiffusionXLImg2ImgPipeline")(**parts, requires_aesthetics_score=True)


def _parts(folder: Path, **unet: Any) -> dict[str, Any]:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    size = clip_tokenizer.write(folder / "tokenizer")
    clip_tokenizer.write(folder / "tokenizer_2", "!")
    return {
        "vae": tiny.autoencoder(4, scaling_factor=0.13025, force_upcast=True),
        "text_encoder": CLIPTextModel(clip_tokenizer.encoder_config(size, TEXT_CHANNELS[0])),
        "text_encoder_2": CLIPTextModelWithProjection(clip_tokenizer.encoder_config(size, TEXT_CHANNELS[1])),
        "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        "tokenizer_2": CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        "unet": diffusers_class("UNet2DConditionModel")(**{**UNET, **unet}),
        "scheduler": diffusers_class("EulerDiscreteScheduler")(**SCHEDULER),
    }


MAKERS: dict[str, Callable[[Path], Any]] = {
    "sdxl-inpainting": lambda folder: make_pipeline(folder, filling=True),
    "sdxl-refiner": _refiner,
    "sdxl-instruct-pix2pix": _editing,
}
"""Of the variants that are not as the first one."""


def _card(variant: Variant) -> dict[str, Any]:
    name = variant.name.partition("-")[2] if variant.name in MAKERS else ""
    return {
        "family": "sdxl",
        "variant": f"sdxl-miniature-{name}" if name else "sdxl-miniature",
        "title": "SDXL in miniature: random weights, for trying things out",
        "source": "",
        "licence": "Apache-2.0",
        "restrictions": "",
        "gated": False,
        "steps": 4,
    }
