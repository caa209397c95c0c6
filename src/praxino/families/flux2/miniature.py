"""A tiny FLUX.2 [klein] or [dev] with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families._stock.checkpoint import CARD, read_json
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet
from praxino.families.flux2.variants import DEV, KLEIN_KV
from praxino.families.flux2.words import PROCESSOR

WEIGHTS_SEED = 20261
CHANNELS = 4
TEXT_LAYERS = 27
"""The pipeline of [klein] reads the states of layers 9, 18 and 27."""
DEV_TEXT_LAYERS = 30
"""And that of [dev] those of layers 10, 20 and 30."""
PICTURE = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")
DEV_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>"
    "{% for part in message.content %}{{ part.text }}{% endfor %}{% endfor %}"
)
TRANSFORMER: dict[str, Any] = {
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 3 * CHANNELS,
    "timestep_guidance_channels": 16,
    "axes_dims_rope": (4, 4, 4, 4),
}
CARD_FIELDS = {
    "family": "flux2",
    "source": "",
    "licence": "Apache-2.0",
    "restrictions": "",
    "gated": False,
    "width": 64,
    "height": 64,
    "steps": 4,
    "guidance": 3.0,
}


def write(folder: Path, like: str) -> None:
    """Make the networks, the same each time, and save them as the diffusers folder of a published variant."""
    dev, caching = like == DEV.name, like == KLEIN_KV.name
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        (_dev() if dev else _klein(caching=caching)).save_pretrained(folder)
        if dev:
            _save_processor(folder)
    kind = "[dev]" if dev else "[klein]"
    own: dict[str, Any] = {"variant": f"{like}-miniature" if dev or caching else "flux2-miniature"}
    own |= {"guidance": 1.0} if caching else {}
    title = f"FLUX.2 {kind} in miniature: random weights, for trying things out"
    write_json(folder / CARD, {**CARD_FIELDS, **own, "title": title})


def _klein(*, caching: bool) -> Any:
    from transformers import Qwen3ForCausalLM

    words = tiny.byte_tokenizer(512, chat_template=tiny.CHAT_TEMPLATE)
    return diffusers_class("Flux2KleinKVPipeline" if caching else "Flux2KleinPipeline")(
        **_networks(guidance_embeds=False),
        text_encoder=Qwen3ForCausalLM(tiny.qwen3_config(len(words), CHANNELS, TEXT_LAYERS)),
        tokenizer=words,
        is_distilled=False,
    )


def _dev() -> Any:
    from transformers import Mistral3ForConditionalGeneration

    words = tiny.byte_tokenizer(512, more=PICTURE, chat_template=DEV_CHAT_TEMPLATE)
    words.bos_token = tiny.END
    return diffusers_class("Flux2Pipeline")(
        **_networks(guidance_embeds=True),
        text_encoder=Mistral3ForConditionalGeneration(_mistral_config(words)),
        tokenizer=words,
    )


def _networks(*, guidance_embeds: bool) -> dict[str, Any]:
    return {
        "scheduler": diffusers_class("FlowMatchEulerDiscreteScheduler")(),
        "vae": diffusers_class("AutoencoderKLFlux2")(latent_channels=4, **tiny.VAE),
        "transformer": diffusers_class("Flux2Transformer2DModel")(**TRANSFORMER, guidance_embeds=guidance_embeds),
    }


def _mistral_config(words: Any) -> Any:
    from transformers import Mistral3Config

    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    size = {"hidden_size": CHANNELS, "intermediate_size": 2 * CHANNELS, "num_attention_heads": 2}
    return Mistral3Config(
        text_config={
            "model_type": "mistral",
            "vocab_size": len(words),
            "num_hidden_layers": DEV_TEXT_LAYERS,
            "num_key_value_heads": 2,
            "head_dim": CHANNELS // 2,
            "max_position_embeddings": 1024,
            **size,
            **ends,
        },
        vision_config={"model_type": "pixtral", "num_hidden_layers": 1, "image_size": 28, "patch_size": 14, **size},
        image_token_index=words.convert_tokens_to_ids(PICTURE[0]),
        vision_feature_layer=-1,
    )


def _save_processor(folder: Path) -> None:
    """The tokenizer as that of a processor, as published. The processor's own class would ask for torchvision."""
    reader = {"image_processor_type": "PixtralImageProcessor", "processor_class": PROCESSOR, "patch_size": 14}
    write_json(folder / "tokenizer" / "preprocessor_config.json", reader)
    index = folder / "model_index.json"
    write_json(index, {**read_json(index), "tokenizer": ["transformers", PROCESSOR]})
