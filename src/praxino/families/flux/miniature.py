"""A tiny FLUX.1 with random weights: every class of the real pipeline, made in a second, always the same.

It also loads with diffusers' own pipeline classes. What it draws is noise, but always the same noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import clip_tokenizer
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families.flux.card import CARD, FAMILY_NAME
from praxino.families.flux.identify import MASK_CHANNELS, REDUX_CLASS, TRANSFORMER_CLASS
from praxino.families.flux.load import no_progress_bars
from praxino.families.flux.settings import Kind, from_options
from praxino.families.flux.variants import PUBLISHED
from praxino.families.flux.words import T5_PAD

WEIGHTS_SEED = 20241
LATENT_CHANNELS = 16
TOKEN_CHANNELS = 4 * LATENT_CHANNELS
TEXT_CHANNELS = 32
POOLED_CHANNELS = 16
WORDS = (
    "a an the and of in on at with is are red green blue yellow black white big small cat dog bird fish car boat ball "
    "tree house sun moon star running jumping flying swimming turning falling rising city sea sky forest night day"
)
PIPELINES: dict[Kind, str] = {
    "plain": "FluxPipeline",
    "fill": "FluxFillPipeline",
    "control": "FluxControlPipeline",
    "kontext": "FluxKontextPipeline",
}

TRANSFORMER: dict[str, Any] = {
    "out_channels": TOKEN_CHANNELS,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": TEXT_CHANNELS,
    "pooled_projection_dim": POOLED_CHANNELS,
    "axes_dims_rope": (4, 14, 14),
}
IN_CHANNELS: dict[Kind, int] = {
    "plain": TOKEN_CHANNELS,
    "kontext": TOKEN_CHANNELS,
    "control": 2 * TOKEN_CHANNELS,
    "fill": 2 * TOKEN_CHANNELS + MASK_CHANNELS,
}
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "latent_channels": LATENT_CHANNELS,
    "norm_num_groups": 4,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
CLIP: dict[str, Any] = {
    "hidden_size": POOLED_CHANNELS,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
T5: dict[str, Any] = {
    "d_model": TEXT_CHANNELS,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
}
SIGLIP: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
SCHEDULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}
CARD_FIELDS = {"licence": "Apache-2.0", "width": 64, "height": 64, "steps": 4, "max_text_tokens": 16}


def write(folder: Path, like: str) -> None:
    """Make the networks of a published variant, the same each time, and save them as a diffusers folder."""
    kind = from_options(PUBLISHED[like].options).kind
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]), no_progress_bars():
        torch.manual_seed(WEIGHTS_SEED)
        networks = _redux() if kind == "redux" else _drawing(folder, kind, PUBLISHED[like].options["guided"])
        for name, network in networks.items():
            network.save_pretrained(folder / name)
    if kind == "redux":
        _write_redux(folder)
        return
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(folder / "model_index.json", _model_index(PIPELINES[kind]))
    buckets = {"buckets": [[48, 96], [64, 64], [96, 48]]} if kind == "kontext" else {}
    own = {"family": FAMILY_NAME, "variant": f"{like}-miniature", "like": like, "title": f"{like} in miniature"}
    write_json(folder / CARD, {**own, **CARD_FIELDS, **buckets})


def make_t5_tokenizer(folder: Path) -> int:
    """Write a T5 tokenizer whose words are those above, and all else their letters; the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = [chr(code) for code in range(33, 127)]
    pieces = [T5_PAD, "</s>", "<unk>", "▁", *("▁" + word for word in WORDS.split()), *letters]
    vocabulary = [(piece, 0.0 if piece.startswith("<") else -2.0 if len(piece) > 1 else -8.0) for piece in pieces]
    tokenizer: Any = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([T5_PAD, "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"pad_token": T5_PAD, "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **marks}
    write_json(folder / "tokenizer_config.json", config)
    return tokenizer.get_vocab_size()


def _drawing(folder: Path, kind: Kind, guided: bool) -> dict[str, Any]:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    clip_words = clip_tokenizer.write(folder / "tokenizer")
    t5_words = make_t5_tokenizer(folder / "tokenizer_2")
    start, end = clip_words - 2, clip_words - 1
    marks: dict[str, Any] = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    channels: dict[str, Any] = {"in_channels": IN_CHANNELS[kind], "guidance_embeds": guided}
    return {
        "transformer": FluxTransformer2DModel(**TRANSFORMER, **channels),
        "vae": AutoencoderKL(**VAE),
        "text_encoder": CLIPTextModel(CLIPTextConfig(vocab_size=clip_words, **CLIP, **marks)),
        "text_encoder_2": T5EncoderModel(T5Config(vocab_size=t5_words, **T5)),
    }


def _redux() -> dict[str, Any]:
    from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
    from transformers import SiglipVisionConfig, SiglipVisionModel

    return {
        "image_encoder": SiglipVisionModel(SiglipVisionConfig(**SIGLIP)),
        "image_embedder": ReduxImageEncoder(redux_dim=SIGLIP["hidden_size"], txt_in_features=TEXT_CHANNELS),
    }


def _write_redux(folder: Path) -> None:
    side = {"height": SIGLIP["image_size"], "width": SIGLIP["image_size"]}
    spread = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3}
    processor = {"image_processor_type": "SiglipImageProcessor", "size": side, **spread}
    write_json(folder / "feature_extractor" / "preprocessor_config.json", processor)
    index = {
        "_class_name": REDUX_CLASS,
        "image_encoder": ["transformers", "SiglipVisionModel"],
        "feature_extractor": ["transformers", "SiglipImageProcessor"],
        "image_embedder": ["flux", "ReduxImageEncoder"],
    }
    write_json(folder / "model_index.json", index)


def _model_index(pipeline: str) -> dict[str, Any]:
    return {
        "_class_name": pipeline,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", TRANSFORMER_CLASS],
        "vae": ["diffusers", "AutoencoderKL"],
    }
