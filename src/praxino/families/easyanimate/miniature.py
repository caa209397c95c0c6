"""A tiny EasyAnimate with random weights: every class of the real pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class
from praxino.families.easyanimate.variants import CONTROL, INPAINT, PUBLISHED

WEIGHTS_SEED = 20251
CHANNELS, LATENT_CHANNELS = 16, 4
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% for part in message.content %}{{ part.text }}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
INPUTS = {
    "easyanimate-5.1": ("EasyAnimatePipeline", LATENT_CHANNELS),
    "easyanimate-5.1-inpaint": (INPAINT, 2 * LATENT_CHANNELS + 1),
    "easyanimate-5.1-control": (CONTROL, 3 * LATENT_CHANNELS),
}
"""The pipeline of each variant, and how many channels its transformer is given."""
TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "out_channels": LATENT_CHANNELS,
    "patch_size": 2,
    "num_layers": 1,
    "mmdit_layers": 1,
    "time_embed_dim": 8,
    "text_embed_dim": CHANNELS,
    "add_norm_text_encoder": True,
}
VAE: dict[str, Any] = {
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}


def write(folder: Path, like: str) -> None:
    """Make the networks, the same each time, and save them as the diffusers folder of a published variant."""
    kind, channels = INPUTS[like]
    card = {
        "family": "easyanimate", "variant": f"{like}-miniature", "source": "", "licence": "Apache-2.0",
        "title": f"{PUBLISHED[like].title.partition(':')[0]} in miniature: random weights, for trying things out",
        "width": 64, "height": 48, "num_frames": 5, "steps": 3,
    }  # fmt: skip
    tiny.save(lambda: _pipeline(kind, channels), folder, WEIGHTS_SEED, card)


def _pipeline(kind: str, channels: int) -> Any:
    from transformers import Qwen2VLForConditionalGeneration

    words = tiny.byte_tokenizer(256, chat_template=CHAT_TEMPLATE)
    vae = diffusers_class("AutoencoderKLMagvit")(**VAE)
    vae.register_to_config(cache_mag_vae=True)
    return diffusers_class(kind)(
        vae=vae,
        text_encoder=Qwen2VLForConditionalGeneration(_reader_config(words)),
        tokenizer=words,
        transformer=diffusers_class("EasyAnimateTransformer3DModel")(in_channels=channels, **TRANSFORMER),
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=3.0),
    )


def _reader_config(words: Any) -> Any:
    from transformers import Qwen2VLConfig

    ends: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    return Qwen2VLConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": CHANNELS,
            "intermediate_size": 2 * CHANNELS,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
            **ends,
        },
        vision_config={
            "depth": 1,
            "embed_dim": CHANNELS,
            "hidden_size": CHANNELS,
            "num_heads": 2,
            "mlp_ratio": 1,
        },
        **ends,
    )
