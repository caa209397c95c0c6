"""The weights that variants are said to have, counted from the networks' own configs, without memory for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from praxino.families import families

UNET: dict[str, dict[str, Any]] = {
    "stable-diffusion-1.5": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "stable-diffusion-2.1": {
        "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True
    },
    "sdxl-base": {
        "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20],
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": [1, 2, 10], "use_linear_projection": True,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}  # fmt: skip
SD3: dict[str, dict[str, Any]] = {
    "sd3-medium": {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536},
    "sd3.5-medium": {
        "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "qk_norm": "rms_norm",
        "dual_attention_layers": tuple(range(13)),
    },
    "sd3.5-large": {
        "num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"
    },
}  # fmt: skip
SHARED_SD3 = {
    "attention_head_dim": 64, "joint_attention_dim": 4096, "pooled_projection_dim": 2048, "pos_embed_max_size": 192
}  # fmt: skip
LATENT = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip


def parameters(name: str) -> int | None:
    return next(family.variants[name].parameters for family in families().values() if name in family.variants)


def count(kind: Any, *config: Any, **settings: Any) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(*config, **settings).parameters())


def clip(width: int, layers: int, heads: int, **more: int) -> int:
    import transformers

    config = transformers.CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads, **more
    )
    return count(transformers.CLIPTextModelWithProjection if more else transformers.CLIPTextModel, config)


def safety_checker() -> int:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    vision = {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
        "image_size": 224, "patch_size": 14,
    }  # fmt: skip
    return count(StableDiffusionSafetyChecker, CLIPConfig(vision_config=vision, projection_dim=768))


@pytest.mark.slow
@pytest.mark.parametrize("name", UNET)
def test_of_a_unet_and_its_readers(name: str) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    readers = {
        "stable-diffusion-1.5": lambda: clip(768, 12, 12) + safety_checker(),
        "stable-diffusion-2.1": lambda: clip(1024, 23, 16),
        "sdxl-base": lambda: clip(768, 12, 12) + clip(1280, 32, 20, projection_dim=1280),
    }[name]()
    vae = count(AutoencoderKL, latent_channels=4, **LATENT)
    assert parameters(name) == count(UNet2DConditionModel, **UNET[name]) + readers + vae


@pytest.mark.slow
@pytest.mark.parametrize("name", SD3)
def test_of_stable_diffusion_3(name: str) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
    from transformers import T5Config, T5EncoderModel

    t5 = T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    readers = clip(768, 12, 12, projection_dim=768) + clip(1280, 32, 20, projection_dim=1280)
    vae = count(AutoencoderKL, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False, **LATENT)
    transformer = count(SD3Transformer2DModel, **SHARED_SD3, **SD3[name])
    assert parameters(name) == transformer + readers + count(T5EncoderModel, t5) + vae
