"""A tiny Wan with random weights: every class of the real pipeline, made in a second, always the same.

It also loads with diffusers' own pipeline classes. What it draws is noise, but always the same noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import quiet
from praxino.families._video_card import CARD
from praxino.families.wan import index
from praxino.families.wan.identify import FAMILY_NAME
from praxino.families.wan.settings import TEXT_TOKENS, from_options
from praxino.families.wan.variants import PUBLISHED

WEIGHTS_SEED = 20252
TEXT_CHANNELS = 32
CLIP_CHANNELS = 32
CLIP_SIDE, CLIP_PATCH = 28, 14
TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "text_dim": TEXT_CHANNELS,
    "freq_dim": 32,
    "ffn_dim": 48,
    "num_layers": 3,
    "rope_max_seq_len": 64,
}
CLIP_READER = {"image_dim": CLIP_CHANNELS, "added_kv_proj_dim": 32}
VAE: dict[str, Any] = {
    "base_dim": 4, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
}  # fmt: skip
LATENT_VAE: dict[str, Any] = {
    **VAE, "z_dim": 48, "is_residual": True, "patch_size": 2, "in_channels": 12, "out_channels": 12,
    "scale_factor_spatial": 16, "decoder_base_dim": 4,
    "latents_mean": [0.1] * 48, "latents_std": [0.5] * 48,
}  # fmt: skip


def write(folder: Path, like: str) -> None:
    """Make the networks of a published variant, the same each time, and save them as a diffusers folder."""
    import torch

    settings = from_options(PUBLISHED[like].options)
    folder.mkdir(parents=True, exist_ok=True)
    words = tiny.byte_tokenizer(TEXT_TOKENS)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        words.save_pretrained(folder / "tokenizer")
        for name, network in _networks(like, len(words)).items():
            network.save_pretrained(folder / name)
    write_json(folder / "scheduler" / "scheduler_config.json", index.scheduler(settings))
    write_json(folder / "model_index.json", _model_index(folder, like))
    side = PUBLISHED[like].grid.size_multiple * 2
    own = {"family": FAMILY_NAME, "variant": f"{like}-miniature", "title": f"{like} in miniature"}
    numbers = {"width": side, "height": side, "num_frames": 5, "fps": 8.0, "steps": 3}
    write_json(folder / CARD, {**own, "licence": "Apache-2.0", **numbers})


def _networks(like: str, vocabulary_size: int) -> dict[str, Any]:
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    settings = from_options(PUBLISHED[like].options)
    names = ("transformer", "transformer_2") if settings.boundary else ("transformer",)
    networks: dict[str, Any] = {name: _transformer(like) for name in names}
    if reads_clip(like):
        networks["image_encoder"] = clip_encoder()
    return {
        **networks,
        "vae": AutoencoderKLWan(**(LATENT_VAE if settings.kind == "latent" else VAE)),
        "text_encoder": tiny.t5_encoder(vocabulary_size, TEXT_CHANNELS, "UMT5"),
    }


def reads_clip(like: str) -> bool:
    """Whether a variant's transformer reads CLIP's features: those of 2.1 that draw from pictures."""
    settings = from_options(PUBLISHED[like].options)
    return settings.kind in ("picture", "first-last") and not settings.boundary


def _transformer(like: str) -> Any:
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
    from diffusers.models.transformers.transformer_wan_vace import WanVACETransformer3DModel

    kind = from_options(PUBLISHED[like].options).kind
    config = dict(TRANSFORMER)
    if kind == "vace":
        return WanVACETransformer3DModel(**config, vace_layers=[0, 2], vace_in_channels=96)
    if reads_clip(like):
        config |= CLIP_READER
    if kind == "first-last":
        config["pos_embed_seq_len"] = 2 * ((CLIP_SIDE // CLIP_PATCH) ** 2 + 1)
    channels = {"picture": (36, 16), "first-last": (36, 16), "latent": (48, 48)}.get(kind, (16, 16))
    return WanTransformer3DModel(**config, in_channels=channels[0], out_channels=channels[1])


def clip_encoder() -> Any:
    """CLIP's vision transformer with the channels of CLIP_READER."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=CLIP_CHANNELS,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=CLIP_SIDE,
            patch_size=CLIP_PATCH,
        )
    )


def _model_index(folder: Path, like: str) -> dict[str, Any]:
    settings = from_options(PUBLISHED[like].options)
    transformer = "WanVACETransformer3DModel" if settings.kind == "vace" else "WanTransformer3DModel"
    told: dict[str, Any] = {
        "_class_name": index.PIPELINES[settings.kind],
        "scheduler": ["diffusers", index.SCHEDULER["_class_name"]],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", transformer],
        "transformer_2": ["diffusers", transformer] if settings.boundary else [None, None],
        "vae": ["diffusers", "AutoencoderKLWan"],
    }
    if reads_clip(like):
        told |= {
            "image_encoder": ["transformers", "CLIPVisionModel"],
            "image_processor": ["transformers", "CLIPImageProcessor"],
        }
        write_image_processor(folder)
    return told | index.more(settings)


def write_image_processor(folder: Path) -> None:
    """What stock pipelines read how to prepare pictures for CLIP from."""
    write_json(folder / "image_processor" / "preprocessor_config.json", index.image_processor(CLIP_SIDE))
