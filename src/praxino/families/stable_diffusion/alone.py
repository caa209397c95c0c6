"""Miniatures of the checkpoints in `others`: every class of the real pipelines, with tiny random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from praxino.families._stock import clip_tokenizer, tiny
from praxino.families._stock.checkpoint import read_json
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class
from praxino.families.stable_diffusion.miniature import SCHEDULER, TEXT_CHANNELS, UNET

EYE_PX = 32
CLIP_EYE: dict[str, Any] = {"size": {"shortest_edge": EYE_PX}, "crop_size": EYE_PX}
DEPTH_EYE: dict[str, Any] = {"size": {"height": EYE_PX, "width": EYE_PX}, "ensure_multiple_of": 1}
FOURIER_CHANNELS = 128
"""What the latent upscaler's pipeline tells of noise beside the words."""
LATENT_UNET: dict[str, Any] = {
    "act_fn": "gelu",
    "attention_head_dim": 8,
    "norm_num_groups": None,
    "block_out_channels": (32, 32, 64, 64),
    "time_cond_proj_dim": FOURIER_CHANNELS + TEXT_CHANNELS,
    "conv_in_kernel": 1,
    "conv_out_kernel": 1,
    "cross_attention_dim": TEXT_CHANNELS,
    "down_block_types": ("KDownBlock2D", *("KCrossAttnDownBlock2D",) * 3),
    "in_channels": 8,
    "layers_per_block": 1,
    "mid_block_type": None,
    "only_cross_attention": False,
    "out_channels": 5,
    "resnet_time_scale_shift": "scale_shift",
    "time_embedding_type": "fourier",
    "timestep_post_act": "gelu",
    "up_block_types": (*("KCrossAttnUpBlock2D",) * 3, "KUpBlock2D"),
}
DPT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": EYE_PX,
    "patch_size": 8,
    "backbone_out_indices": [0, 1, 2, 3],
    "neck_hidden_sizes": [8, 8, 8, 8],
    "fusion_hidden_size": 8,
    "use_auxiliary_head": False,
}


def make_pipeline(folder: Path, kind: str) -> Any:
    """The pipeline of that class, from torch's global generator; its tokenizer is written to `folder`."""
    return diffusers_class(kind)(**PARTS[kind](folder))


def side_px(kind: str) -> int:
    """How wide and high it is drawn, before it is made larger."""
    return 16 if kind == "StableDiffusionUpscalePipeline" else 64


def settle(folder: Path, kind: str) -> None:
    """Write what the published folders say otherwise than one that diffusers saves today."""
    if kind == "StableDiffusionDepth2ImgPipeline":
        index = folder / "model_index.json"
        write_json(index, {**read_json(index), "feature_extractor": ["transformers", "DPTFeatureExtractor"]})


def _with_words(folder: Path, unet: dict[str, Any], **parts: Any) -> dict[str, Any]:
    from transformers import CLIPTextModel, CLIPTokenizer

    size = clip_tokenizer.write(folder / "tokenizer")
    words = {
        "text_encoder": CLIPTextModel(clip_tokenizer.encoder_config(size, TEXT_CHANNELS)),
        "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
    }
    return {**words, **_drawing(unet), **parts}


def _drawing(unet: dict[str, Any]) -> dict[str, Any]:
    return {
        "vae": tiny.autoencoder(4),
        "unet": diffusers_class("UNet2DConditionModel")(**unet),
        "scheduler": diffusers_class("DDIMScheduler")(
            **{name: value for name, value in SCHEDULER.items() if name != "skip_prk_steps"}
        ),
    }


def _x4(folder: Path) -> dict[str, Any]:
    return _with_words(
        folder,
        {**UNET, "in_channels": 7, "num_class_embeds": 1000},
        vae=tiny.autoencoder(
            4,
            scaling_factor=0.08333,
            **{name: tiny.VAE[name][:3] for name in ("down_block_types", "up_block_types", "block_out_channels")},
        ),
        low_res_scheduler=diffusers_class("DDPMScheduler")(),
    )


def _x2(folder: Path) -> dict[str, Any]:
    return _with_words(
        folder, LATENT_UNET, scheduler=diffusers_class("EulerDiscreteScheduler")(prediction_type="sample")
    )


def _variations(folder: Path) -> dict[str, Any]:
    seen = {"safety_checker": None, "requires_safety_checker": False}
    return {**_drawing(UNET), **_seeing(), **seen}


def _unclip(folder: Path) -> dict[str, Any]:
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer

    seen = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2 * TEXT_CHANNELS}
    noising = {
        "image_normalizer": StableUnCLIPImageNormalizer(embedding_dim=TEXT_CHANNELS),
        "image_noising_scheduler": diffusers_class("DDPMScheduler")(beta_schedule="squaredcos_cap_v2"),
    }
    return _with_words(folder, {**UNET, **seen}, **noising, **_seeing())


def _depth(folder: Path) -> dict[str, Any]:
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    estimator: Any = DPTForDepthEstimation(DPTConfig(**DPT))
    for parameter in estimator.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)  # so that not everything is equally far
    torch.nn.init.constant_([*estimator.head.parameters()][-1], 5.0)  # nor at 0, where the last layer ends
    return _with_words(
        folder,
        {**UNET, "in_channels": 5},
        depth_estimator=estimator,
        feature_extractor=DPTImageProcessorPil(**DEPTH_EYE),
    )


def _seeing() -> dict[str, Any]:
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    eye = CLIPVisionConfig(
        hidden_size=TEXT_CHANNELS,
        intermediate_size=2 * TEXT_CHANNELS,
        projection_dim=TEXT_CHANNELS,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=EYE_PX,
        patch_size=8,
    )
    return {
        "image_encoder": CLIPVisionModelWithProjection(eye),
        "feature_extractor": CLIPImageProcessorPil(**CLIP_EYE),
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "StableDiffusionUpscalePipeline": _x4,
    "StableDiffusionLatentUpscalePipeline": _x2,
    "StableDiffusionImageVariationPipeline": _variations,
    "StableUnCLIPImg2ImgPipeline": _unclip,
    "StableDiffusionDepth2ImgPipeline": _depth,
}
