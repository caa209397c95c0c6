"""A tiny FramePack with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._hunyuan.miniature import CLIP, LLAMA, PAD, SPECIAL, TRANSFORMER, VAE
from praxino.families._hunyuan.miniature import make_tokenizer as make_llama_tokenizer
from praxino.families._stock import clip_tokenizer, tiny
from praxino.families._stock.load import diffusers_class
from praxino.families.framepack.variants import SECTION_FRAMES

WEIGHTS_SEED = 20253
EYE_CHANNELS, EYE_PX = 16, 28
CARD_FIELDS: dict[str, Any] = {
    "family": "framepack",
    "variant": "framepack-miniature",
    "title": "FramePack in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "width": 64,
    "height": 64,
    "num_frames": SECTION_FRAMES + 1,
    "steps": 2,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    tiny.save(lambda: _pipeline(folder), folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline(folder: Path) -> Any:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
        LlamaConfig,
        LlamaModel,
        PreTrainedTokenizerFast,
        SiglipImageProcessor,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    words = make_llama_tokenizer(folder / "tokenizer")
    clip_words = clip_tokenizer.write(folder / "tokenizer_2")
    marks: dict[str, Any] = {"bos_token_id": clip_words - 2, "eos_token_id": clip_words - 1}
    eye: dict[str, Any] = {**CLIP, "hidden_size": EYE_CHANNELS, "image_size": EYE_PX, "patch_size": 14}
    more: dict[str, Any] = {"has_image_proj": True, "image_proj_dim": EYE_CHANNELS, "has_clean_x_embedder": True}
    return diffusers_class("HunyuanVideoFramepackPipeline")(
        text_encoder=LlamaModel(LlamaConfig(vocab_size=words, **LLAMA, pad_token_id=SPECIAL.index(PAD))),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer"),
        transformer=diffusers_class("HunyuanVideoFramepackTransformer3DModel")(
            in_channels=TRANSFORMER["out_channels"], **TRANSFORMER, **more
        ),
        vae=diffusers_class("AutoencoderKLHunyuanVideo")(**VAE),
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=7.0),
        text_encoder_2=CLIPTextModel(CLIPTextConfig(vocab_size=clip_words, **CLIP, **marks)),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        image_encoder=SiglipVisionModel(SiglipVisionConfig(**eye)),
        feature_extractor=SiglipImageProcessor(size={"height": EYE_PX, "width": EYE_PX}),
    )
