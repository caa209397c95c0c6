"""A tiny Stable Video Diffusion with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20253
CHANNELS, PICTURE_PX = 32, 224
"""Fewer channels than 32 cannot be: the networks normalise them in 32 groups. The pipeline shows pictures at 224."""
UNET: dict[str, Any] = {
    "sample_size": 8,
    "down_block_types": ("DownBlockSpatioTemporal",),
    "up_block_types": ("UpBlockSpatioTemporal",),
    "block_out_channels": (CHANNELS,),
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24,
    "layers_per_block": 1,
    "cross_attention_dim": CHANNELS,
    "num_attention_heads": (2,),
    "num_frames": 14,
}
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "block_out_channels": (CHANNELS,) * 4,
    "layers_per_block": 1,
    "sample_size": 64,
}
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "interpolation_type": "linear",
    "prediction_type": "v_prediction",
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
}
"""As the published checkpoints have it."""
CARD_FIELDS = {
    "family": "svd",
    "variant": "svd-miniature",
    "title": "Stable Video Diffusion in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "num_frames": 4,
    "steps": 3,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    tiny.save(_pipeline, folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline() -> Any:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    reader = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        projection_dim=CHANNELS,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=PICTURE_PX,
        patch_size=32,
    )
    return diffusers_class("StableVideoDiffusionPipeline")(
        vae=diffusers_class("AutoencoderKLTemporalDecoder")(**VAE),
        image_encoder=CLIPVisionModelWithProjection(reader),
        unet=diffusers_class("UNetSpatioTemporalConditionModel")(**UNET),
        scheduler=diffusers_class("EulerDiscreteScheduler")(**NOISE),
        feature_extractor=CLIPImageProcessor(size=PICTURE_PX, crop_size=PICTURE_PX),
    )
