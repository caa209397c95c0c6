"""A tiny HunyuanVideo with random weights: every class of the real pipeline, always the same.

It also loads with diffusers' own pipeline classes. Its tokenizer cuts Tencent's templates as Llama 3's does, so that
what is left away of them is the same; other words are spelled.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from praxino.families import Variant
from praxino.families._hunyuan.convert import CONDITION_TYPES
from praxino.families._hunyuan.identify import TRANSFORMER_CLASS
from praxino.families._hunyuan.settings import Kind, from_options
from praxino.families._hunyuan.template import IMAGE_TOKEN, PICTURE, VIDEO, VIDEO_FROM_PICTURE
from praxino.families._stock import clip_tokenizer
from praxino.families._stock.checkpoint import CARD
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import quiet

WEIGHTS_SEED = 20252
LATENT_CHANNELS = 4
TEXT_CHANNELS = 16
POOLED_CHANNELS = 16
BEGIN, PAD = "<|begin_of_text|>", "<pad>"
SPECIAL = (BEGIN, PAD, IMAGE_TOKEN, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
LLAMA_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""How Llama 3's tokenizer cuts a text before it looks words up."""

TRANSFORMER: dict[str, Any] = {
    "out_channels": LATENT_CHANNELS,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "num_layers": 3,
    "num_single_layers": 2,
    "num_refiner_layers": 1,
    "mlp_ratio": 2.0,
    "text_embed_dim": TEXT_CHANNELS,
    "pooled_projection_dim": POOLED_CHANNELS,
    "rope_axes_dim": (8, 4, 4),
}
VAE: dict[str, Any] = {
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
LLAMA: dict[str, Any] = {
    "hidden_size": TEXT_CHANNELS,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
CLIP: dict[str, Any] = {
    "hidden_size": POOLED_CHANNELS,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
EYE: dict[str, Any] = {**CLIP, "image_size": 336, "patch_size": 14}
CARD_FIELDS: dict[str, Any] = {
    "licence": "Apache-2.0", "width": 64, "height": 64, "fps": 8.0, "steps": 3, "max_text_tokens": 32,
}  # fmt: skip
BUCKETS = [[64, 96], [64, 64], [96, 64]]


def write(folder: Path, family: str, like: Variant) -> None:
    """Make the networks of a published variant, the same each time, and save them as a diffusers folder."""
    settings = from_options(like.options)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        for name, network in _networks(folder, settings.kind, settings.embeds_guidance).items():
            network.save_pretrained(folder / name)
    shift = like.options["shifts"]["stable"]
    scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift}
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    write_json(folder / "model_index.json", _model_index(settings.kind))
    buckets = {} if settings.kind == "text" else {"buckets": BUCKETS}
    own = {
        "family": family,
        "variant": f"{like.name}-miniature",
        "like": like.name,
        "title": f"{like.name} in miniature",
    }
    write_json(folder / CARD, {**own, **CARD_FIELDS, "num_frames": 9 - 4 * (settings.kind != "text"), **buckets})


def make_tokenizer(folder: Path) -> int:
    """Write a tokenizer that knows the templates' words whole, and all else by its bytes; its vocabulary's size."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    cut = pre_tokenizers.Split(Regex(LLAMA_WORDS), "isolated")
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    texts = "".join(template.text.replace("{}", " ") for template in (VIDEO, PICTURE, VIDEO_FROM_PICTURE))
    pieces = re.split("|".join(map(re.escape, SPECIAL)), texts)
    whole = {spelled.pre_tokenize_str(word)[0][0] for piece in pieces for word, _ in cut.pre_tokenize_str(piece)}
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*SPECIAL, *letters, *sorted(whole - set(letters))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    fast: Any = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    fast.pre_tokenizer = pre_tokenizers.Sequence([cut, spelled])
    fast.decoder = decoders.ByteLevel()
    fast.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, vocabulary[BEGIN])]
    )
    fast.add_special_tokens(list(SPECIAL))
    folder.mkdir(parents=True, exist_ok=True)
    fast.save(str(folder / "tokenizer.json"))
    marks = {"bos_token": BEGIN, "eos_token": "<|eot_id|>", "pad_token": PAD}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 2048, "padding_side": "right"}
    write_json(folder / "tokenizer_config.json", {**kind, **marks})
    return len(tokens)


def _networks(folder: Path, kind: Kind, embeds_guidance: bool) -> dict[str, Any]:
    from diffusers.models.autoencoders.autoencoder_kl_hunyuan_video import AutoencoderKLHunyuanVideo
    from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoTransformer3DModel
    from transformers import CLIPTextConfig, CLIPTextModel

    words = make_tokenizer(folder / "tokenizer")
    clip_words = clip_tokenizer.write(folder / "tokenizer_2")
    marks: dict[str, Any] = {"bos_token_id": clip_words - 2, "eos_token_id": clip_words - 1}
    channels = 2 * LATENT_CHANNELS + 1 if kind == "latent-concat" else LATENT_CHANNELS
    condition: dict[str, Any] = {"image_condition_type": CONDITION_TYPES[kind], "guidance_embeds": embeds_guidance}
    return {
        "transformer": HunyuanVideoTransformer3DModel(in_channels=channels, **TRANSFORMER, **condition),
        "vae": AutoencoderKLHunyuanVideo(**VAE),
        "text_encoder": _reader(folder, kind, words),
        "text_encoder_2": CLIPTextModel(CLIPTextConfig(vocab_size=clip_words, **CLIP, **marks)),
    }


def _reader(folder: Path, kind: Kind, words: int) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlamaModel, LlavaConfig, LlavaForConditionalGeneration

    pad = SPECIAL.index(PAD)
    marks: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 5, "pad_token_id": pad}
    config = LlamaConfig(vocab_size=words, **LLAMA, **marks)
    if kind == "text":
        return LlamaModel(config)
    side = EYE["image_size"]
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }
    write_json(folder / "image_processor" / "preprocessor_config.json", processor)
    more: dict[str, Any] = {"image_token_index": SPECIAL.index(IMAGE_TOKEN), "pad_token_id": pad}
    seeing = LlavaConfig(vision_config=CLIPVisionConfig(**EYE), text_config=config, **more)
    return LlavaForConditionalGeneration(seeing)


def _model_index(kind: Kind) -> dict[str, Any]:
    index: dict[str, Any] = {
        "_class_name": "HunyuanVideoPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "LlamaModel"],
        "text_encoder_2": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "transformer": ["diffusers", TRANSFORMER_CLASS],
        "vae": ["diffusers", "AutoencoderKLHunyuanVideo"],
    }
    if kind != "text":
        index |= {
            "_class_name": "HunyuanVideoImageToVideoPipeline",
            "text_encoder": ["transformers", "LlavaForConditionalGeneration"],
            "image_processor": ["transformers", "CLIPImageProcessor"],
        }
    return index
