"""A tiny Qwen-Image 2.1 with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families._stock.checkpoint import CARD, read_json
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet
from praxino.families.qwen_image_21.processor import PictureProcessor
from praxino.families.qwen_image_21.variants import PIPELINE, SAMPLE_SIGMAS, TURBO

WEIGHTS_SEED = 20272
CHANNELS, LATENT_CHANNELS = 16, 4
VISION_START, PICTURE, VISION_END, CLIP = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"
SPECIAL = ("<|im_start|>", "<|im_end|>", VISION_START, VISION_END, PICTURE, CLIP)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{{ part.text }}{% endfor %}<|im_end|>\n{% endfor %}"
)
TURBO_SIGMAS = [1.0, 0.8, 0.5]
TRANSFORMER: dict[str, Any] = {
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "context_in_dim": CHANNELS,
    "axes_dims_rope": (4, 6, 6),
}
VAE: dict[str, Any] = {
    "base_dim": 4,
    "decoder_base_dim": 4,
    "z_dim": LATENT_CHANNELS,
    "dim_mult": [1, 1, 1, 1, 1],
    "num_res_blocks": 1,
    "latents_mean": [0.1, -0.1, 0.0, 0.2],
    "latents_std": [1.0, 0.8, 1.2, 0.9],
}
READER: dict[str, Any] = {"patch_size": 16, "merge_size": 2, "min_pixels": 32 * 32, "max_pixels": 2048 * 2048}


def write(folder: Path, like: str) -> None:
    """Make the networks, the same each time, and save them as the diffusers folder of a published variant."""
    turbo = like == TURBO.name
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        words = tiny.byte_tokenizer(4096, more=SPECIAL, chat_template=CHAT_TEMPLATE)
        _save_processor(folder, words)
        networks = _networks(words)
        more = {SAMPLE_SIGMAS: TURBO_SIGMAS} if turbo else {}
        pipeline = diffusers_class(PIPELINE)(**networks, processor=_processor(words), **more)
        pipeline.register_modules(processor=None)
        pipeline.save_pretrained(folder)
    index = folder / "model_index.json"
    write_json(index, {**read_json(index), "processor": ["transformers", "Qwen3VLProcessor"]})
    card = {
        "family": "qwen-image-2.1", "variant": f"{like}-miniature", "source": "", "licence": "Apache-2.0",
        "restrictions": "", "title": "Qwen-Image 2.1 in miniature: random weights, for trying things out",
        "width": 64, "height": 64, **({} if turbo else {"steps": 4}),
    }  # fmt: skip
    write_json(folder / CARD, card)


def _networks(words: Any) -> dict[str, Any]:
    from transformers import Qwen3VLForConditionalGeneration

    return {
        "scheduler": diffusers_class("FlowMatchEulerDiscreteScheduler")(use_dynamic_shifting=True),
        "vae": diffusers_class("AutoencoderKLQwenImage21")(**VAE),
        "text_encoder": Qwen3VLForConditionalGeneration(_reader_config(words)),
        "transformer": diffusers_class("QwenImage21Transformer2DModel")(**TRANSFORMER),
    }


def _reader_config(words: Any) -> Any:
    from transformers import Qwen3VLConfig

    size = {"hidden_size": CHANNELS, "intermediate_size": 2 * CHANNELS}
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(words),
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 5e6, "mrope_section": [2, 1, 1], "mrope_interleaved": True,
            },
            "pad_token_id": 0,
            **size,
        },
        vision_config={
            "depth": 1,
            "num_heads": 2,
            "out_hidden_size": CHANNELS,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
            **size,
        },
        image_token_id=words.convert_tokens_to_ids(PICTURE),
        video_token_id=words.convert_tokens_to_ids(CLIP),
        vision_start_token_id=words.convert_tokens_to_ids(VISION_START),
        vision_end_token_id=words.convert_tokens_to_ids(VISION_END),
    )  # fmt: skip


def _processor(words: Any) -> PictureProcessor:
    from transformers import Qwen2VLImageProcessorPil

    return PictureProcessor(Qwen2VLImageProcessorPil(**READER), words, chat_template=CHAT_TEMPLATE)


def _save_processor(folder: Path, words: Any) -> None:
    """As the published checkpoints have it. The class itself would ask for torchvision."""
    place = folder / "processor"
    _processor(words).save_pretrained(place)
    pictures = place / "preprocessor_config.json"
    told = {**read_json(pictures), "image_processor_type": "Qwen2VLImageProcessorFast"}
    write_json(pictures, {**told, "processor_class": "Qwen3VLProcessor"})
