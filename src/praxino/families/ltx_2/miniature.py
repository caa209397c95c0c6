"""A tiny LTX-2 with random weights: every class of the real pipeline, about a megabyte, made in seconds.

It also loads with diffusers' LTX2Pipeline.from_pretrained. What it draws is noise, but always the same noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families._stock.checkpoint import read_json
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet
from praxino.families._video_card import CARD
from praxino.families.ltx_2.identify import FAMILY_NAME, UPSAMPLER_FOLDER
from praxino.families.ltx_2.text import PADDING_SIDE

WEIGHTS_SEED = 20260
TOKENS = 32
"""The longest text that it reads."""
CHANNELS = 8
TRANSFORMER: dict[str, Any] = {
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 16,
    "vae_scale_factors": (4, 16, 16),
    "audio_in_channels": CHANNELS,
    "audio_out_channels": CHANNELS,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 4,
    "audio_cross_attention_dim": 8,
    "num_layers": 2,
    "caption_channels": 16,
}
CONNECTORS: dict[str, Any] = {
    "caption_channels": 16,
    "text_proj_in_factor": 3,
    "connector_rope_base_seq_len": 64,
    **{
        f"{modality}_connector_{name}": value
        for modality in ("video", "audio")
        for name, value in (
            ("num_attention_heads", 2), ("attention_head_dim", 8), ("num_layers", 1), ("num_learnable_registers", 8),
        )
    },
}  # fmt: skip
VAE: dict[str, Any] = {
    "latent_channels": CHANNELS,
    "block_out_channels": (8, 16),
    "down_block_types": ("LTX2VideoDownBlock3D",) * 2,
    "decoder_block_out_channels": (8, 16),
    "layers_per_block": (1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1),
    "spatio_temporal_scaling": (True, True),
    "decoder_spatio_temporal_scaling": (True, True),
    "decoder_inject_noise": (False, False, False),
    "downsample_type": ("spatiotemporal", "spatiotemporal"),
    "upsample_type": ("spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True, True),
    "upsample_factor": (2, 2),
}
SOUND_VAE: dict[str, Any] = {
    "base_channels": CHANNELS,
    "ch_mult": (1, 1, 1),
    "num_res_blocks": 1,
    "latent_channels": 2,
    "mel_bins": 16,
    "resolution": 16,
    "sample_rate": 1600,
    "mel_hop_length": 16,
}
VOCODER: dict[str, Any] = {
    "in_channels": 32,
    "hidden_channels": 16,
    "upsample_kernel_sizes": [8, 4],
    "upsample_factors": [4, 4],
    "resnet_kernel_sizes": [3],
    "resnet_dilations": [[1, 3]],
    "output_sampling_rate": 1600,
}
UPSAMPLER: dict[str, Any] = {"in_channels": CHANNELS, "mid_channels": 32, "num_blocks_per_stage": 1}
WORDS: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "sliding_window": 32,
}
SIGHT: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
CARD_FIELDS = {
    "family": FAMILY_NAME,
    "variant": "ltx-2-miniature",
    "title": "LTX-2 in miniature: random weights, for trying things out",
    "licence": "Apache-2.0",
    "width": 64,
    "height": 32,
    "num_frames": 9,
    "fps": 8.0,
    "steps": 2,
    "guidance": 3.0,
    "max_text_tokens": TOKENS,
}


def write(folder: Path) -> None:
    """Make the pipeline and its latent upsampler, the same each time, and save them with their card."""
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        make().save_pretrained(folder)
        _made("diffusers.pipelines.ltx2.latent_upsampler:LTX2LatentUpsamplerModel", UPSAMPLER).save_pretrained(
            folder / UPSAMPLER_FOLDER
        )
    told = folder / "tokenizer" / "tokenizer_config.json"
    write_json(told, {**read_json(told), "padding_side": PADDING_SIDE})
    write_json(folder / CARD, CARD_FIELDS)


def make() -> Any:
    """Diffusers' LTX2Pipeline with random weights from torch's global generator."""
    package = "diffusers.pipelines.ltx2"
    tokenizer = tiny.byte_tokenizer(TOKENS)
    vae, sound_vae = _made("AutoencoderKLLTX2Video", VAE), _made("AutoencoderKLLTX2Audio", SOUND_VAE)
    for one in (vae, sound_vae):
        one.latents_mean.normal_(std=0.1)
        one.latents_std.uniform_(0.5, 1.5)
    return diffusers_class(f"{package}:LTX2Pipeline")(
        scheduler=_made("FlowMatchEulerDiscreteScheduler", {}),
        vae=vae,
        audio_vae=sound_vae,
        text_encoder=_text_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        connectors=_made(f"{package}.connectors:LTX2TextConnectors", CONNECTORS),
        transformer=_made("LTX2VideoTransformer3DModel", TRANSFORMER),
        vocoder=_made(f"{package}.vocoder:LTX2Vocoder", VOCODER),
    )


def _made(name: str, config: dict[str, Any]) -> Any:
    return diffusers_class(name)(**config)


def _text_encoder(num_tokens: int) -> Any:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    config = Gemma3Config(
        text_config={"vocab_size": num_tokens, **WORDS},
        vision_config=SIGHT,
        mm_tokens_per_image=4,
        boi_token_index=0,
        eoi_token_index=1,
        image_token_index=2,
    )
    return Gemma3ForConditionalGeneration(config)
