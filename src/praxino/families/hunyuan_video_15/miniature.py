"""A tiny HunyuanVideo 1.5 with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families import Variant
from praxino.families._stock import tiny
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet

WEIGHTS_SEED = 20254
CHANNELS, LATENT_CHANNELS, SIDE_PX, EYE_PX = 16, 4, 64, 28
TRANSFORMER: dict[str, Any] = {
    "in_channels": 2 * LATENT_CHANNELS + 1,
    "out_channels": LATENT_CHANNELS,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "num_layers": 2,
    "num_refiner_layers": 1,
    "mlp_ratio": 2.0,
    "text_embed_dim": CHANNELS,
    "text_embed_2_dim": CHANNELS,
    "image_embed_dim": CHANNELS,
    "rope_axes_dim": (8, 4, 4),
    "target_size": SIDE_PX,
}
VAE: dict[str, Any] = {
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (8, 8, 8, 8, 8),
    "layers_per_block": 1,
}
UPSAMPLER: dict[str, Any] = {
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "hidden_channels": 8,
    "num_blocks": 1,
    "global_residual": True,
}
READER: dict[str, Any] = {
    "hidden_size": CHANNELS,
    "intermediate_size": 2 * CHANNELS,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
}
EYE: dict[str, Any] = {
    "hidden_size": CHANNELS,
    "intermediate_size": 2 * CHANNELS,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": EYE_PX,
    "patch_size": 14,
}


def write(folder: Path, like: Variant) -> None:
    """Make the networks of a published variant's task, the same each time, and save them as a diffusers folder."""
    from_pictures = like.tasks[0] == "image-to-video"
    card: dict[str, Any] = {
        "family": "hunyuan-video-1.5",
        "variant": f"{like.name}-miniature",
        "title": "HunyuanVideo 1.5 in miniature: random weights, for trying things out",
        "source": "",
        "licence": "Apache-2.0",
        "width": SIDE_PX,
        "height": SIDE_PX,
        "num_frames": 5,
        "steps": 2,
    }
    tiny.save(lambda: _pipeline(from_pictures), folder, WEIGHTS_SEED, card)


def write_larger(folder: Path) -> None:
    """Make the networks of a second stage, the same each time, in the folders `transformer` and `upsampler`.

    They are no part of a miniature: each weighs as much as all of it.
    """
    from safetensors.torch import save_file

    from praxino.families.hunyuan_video_15.upsamplers import To720p

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        kind = diffusers_class("HunyuanVideo15Transformer3DModel")
        transformer = kind(**{**TRANSFORMER, "in_channels": 3 * LATENT_CHANNELS + 2, "use_meanflow": True})
        transformer.to(torch.bfloat16).save_pretrained(folder / "transformer")
        upsampler = To720p(**UPSAMPLER)
    (folder / "upsampler").mkdir(parents=True)
    save_file(upsampler.state_dict(), folder / "upsampler" / "diffusion_pytorch_model.safetensors")
    write_json(folder / "upsampler" / "config.json", UPSAMPLER)


def _pipeline(from_pictures: bool) -> Any:
    from transformers import ByT5Tokenizer, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    words = tiny.byte_tokenizer(2048, chat_template=tiny.CHAT_TEMPLATE)
    ends: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    quoted = ByT5Tokenizer()
    kind = "HunyuanVideo15ImageToVideoPipeline" if from_pictures else "HunyuanVideo15Pipeline"
    return diffusers_class(kind)(
        text_encoder=Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(vocab_size=len(words), **READER, **ends)),
        tokenizer=words,
        transformer=diffusers_class("HunyuanVideo15Transformer3DModel")(**TRANSFORMER),
        vae=diffusers_class("AutoencoderKLHunyuanVideo15")(**VAE),
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=7.0),
        text_encoder_2=tiny.t5_encoder(len(quoted), CHANNELS),
        tokenizer_2=quoted,
        guider=diffusers_class("ClassifierFreeGuidance")(guidance_scale=6.0),
        **(_eye() if from_pictures else {}),
    )


def _eye() -> dict[str, Any]:
    from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

    return {
        "image_encoder": SiglipVisionModel(SiglipVisionConfig(**EYE)),
        "feature_extractor": SiglipImageProcessor(size={"height": EYE_PX, "width": EYE_PX}),
    }
