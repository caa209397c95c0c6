"""A tiny LTX-Video with random weights: every class of the real pipeline, a few hundred kilobytes, made in seconds.

It also loads with diffusers' LTXPipeline.from_pretrained. What it draws is noise, but always the same noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from praxino.families.ltx_video import upsampler
from praxino.families.ltx_video.card import CARD, FAMILY_NAME
from praxino.families.ltx_video.identify import TRANSFORMER_CLASS, VAE_CLASS
from praxino.families.ltx_video.load import no_progress_bars

WEIGHTS_SEED = 20240
LATENT_CHANNELS = 16
TEXT_CHANNELS = 32
WORDS = (
    "a an the and of in on at with is are red green blue yellow black white big small cat dog bird fish car boat ball "
    "tree house sun moon star running jumping flying swimming turning falling rising city sea sky forest night day"
)

TRANSFORMER: dict[str, Any] = {
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "cross_attention_dim": 32,
    "num_layers": 3,
    "caption_channels": TEXT_CHANNELS,
}
VAE: dict[str, Any] = {
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (8, 16, 16),
    "decoder_block_out_channels": (8, 16),
    "down_block_types": ("LTXVideoDownBlock3D",) * 3,
    "layers_per_block": (1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1),
    "spatio_temporal_scaling": (True, True, False),
    "decoder_spatio_temporal_scaling": (True, True),
    "decoder_inject_noise": (False, False, False),
    "downsample_type": ("conv", "conv", "conv"),
    "upsample_residual": (True, True),
    "upsample_factor": (2, 2),
    "timestep_conditioning": True,
    "patch_size": 4,
}
TEXT_ENCODER: dict[str, Any] = {
    "d_model": TEXT_CHANNELS,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
}
UPSAMPLER: dict[str, Any] = {"in_channels": LATENT_CHANNELS, "mid_channels": 32, "num_blocks_per_stage": 1, "dims": 3}
CARD_FIELDS = {
    "family": FAMILY_NAME,
    "variant": "ltx-video-miniature",
    "title": "LTX-Video in miniature: random weights, for trying things out",
    "licence": "Apache-2.0",
    "width": 64,
    "height": 64,
    "num_frames": 9,
    "fps": 8.0,
    "steps": 4,
    "guidance": 3.0,
    "schedule": "linear-quadratic",
    "causal_rope": True,
    "max_text_tokens": 16,
    "image_noise": 0.15,
    "second_pass": {"sigmas": [0.9, 0.4], "guidance_phases": [{"start": 1.0, "scale": 1.0}], "tone_map": 0.6},
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = make_tokenizer(folder / "tokenizer")
    with torch.random.fork_rng(devices=[]), no_progress_bars():
        torch.manual_seed(WEIGHTS_SEED)
        for name, network in make_networks(vocabulary).items():
            network.save_pretrained(folder / name)
        make_upsampler().save_pretrained(folder / upsampler.FOLDER)
    _write_json(folder / "scheduler" / "scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"})
    _write_json(folder / "model_index.json", _model_index())
    _write_json(folder / CARD, CARD_FIELDS)


def make_networks(vocabulary_size: int) -> dict[str, Any]:
    """The three networks with random weights from torch's global generator."""
    from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
    from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
    from transformers import T5Config, T5EncoderModel

    vae = AutoencoderKLLTXVideo(**VAE)
    vae.latents_mean.normal_(std=0.1)
    vae.latents_std.uniform_(0.5, 1.5)
    return {
        "transformer": LTXVideoTransformer3DModel(**TRANSFORMER),
        "vae": vae,
        "text_encoder": T5EncoderModel(T5Config(vocab_size=vocabulary_size, **TEXT_ENCODER)),
    }


def make_upsampler() -> Any:
    """The latent upsampler with random weights from torch's global generator."""
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    return LTXLatentUpsamplerModel(**UPSAMPLER)


def make_tokenizer(folder: Path) -> int:
    """Write a T5 tokenizer whose words are those above, and all else their letters; the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = [chr(code) for code in range(33, 127)]
    pieces = ["<pad>", "</s>", "<unk>", "▁", *("▁" + word for word in WORDS.split()), *letters]
    vocabulary = [(piece, 0.0 if piece.startswith("<") else -2.0 if len(piece) > 1 else -8.0) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 128,
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    _write_json(folder / "tokenizer_config.json", config)
    return tokenizer.get_vocab_size()


def _model_index() -> dict[str, Any]:
    return {
        "_class_name": "LTXPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", TRANSFORMER_CLASS],
        "vae": ["diffusers", VAE_CLASS],
    }


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
