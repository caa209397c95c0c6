"""Tiny CogVideoX checkpoints with random weights: every class of the real pipelines. They load with diffusers too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families.cogvideox import original
from praxino.families.cogvideox.settings import Settings, from_options
from praxino.families.cogvideox.variants import FAMILY_NAME, PUBLISHED

WEIGHTS_SEED = 20246
TEXT_CHANNELS = 32
MAX_TEXT_TOKENS = 24
WIDTH, HEIGHT, NUM_FRAMES = 32, 32, 9
LATENTS = 16
TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "time_embed_dim": 16,
    "text_embed_dim": TEXT_CHANNELS,
    "num_layers": 2,
    "sample_width": WIDTH // 8,
    "sample_height": HEIGHT // 8,
    "max_text_seq_length": MAX_TEXT_TOKENS,
}
VAE: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": LATENTS,
    "sample_width": WIDTH,
    "sample_height": HEIGHT,
}
CARD: dict[str, Any] = {
    "family": FAMILY_NAME,
    "title": "CogVideoX in miniature: random weights, for trying things out",
    "licence": "Apache-2.0",
    "width": WIDTH,
    "height": HEIGHT,
    "num_frames": NUM_FRAMES,
    "fps": 8.0,
    "steps": 4,
    "max_text_tokens": MAX_TEXT_TOKENS,
    "any_size": True,
}


def write(folder: Path, like: str) -> None:
    """Make the pipeline of a published variant, the same each time, and save it as a diffusers folder."""
    settings = from_options(PUBLISHED[like].options)
    card = {**CARD, "variant": f"{like}-miniature"}
    tiny.save(lambda: make_pipeline(settings), folder, WEIGHTS_SEED, card)


def make_pipeline(settings: Settings) -> Any:
    """The stock pipeline over tiny networks, their weights from torch's global generator."""
    made = tiny.diffusers_class
    tokenizer = tiny.byte_tokenizer(MAX_TEXT_TOKENS)
    wide, first = settings.temporal_patch == 2, settings.shift_scale == 3
    scheduler = made("CogVideoXDDIMScheduler").from_config(original.scheduler(settings))
    return made(original.pipeline_name(settings))(
        tokenizer=tokenizer,
        text_encoder=tiny.t5_encoder(len(tokenizer), TEXT_CHANNELS),
        vae=made("AutoencoderKLCogVideoX")(
            **VAE, scaling_factor=original.scaling_factor(settings), invert_scale_latents=wide
        ),
        transformer=made("CogVideoXTransformer3DModel")(
            **TRANSFORMER,
            in_channels=LATENTS * (1 if settings.beside == "nothing" else 2),
            sample_frames=NUM_FRAMES,
            patch_size_t=2 if wide else None,
            patch_bias=not wide,
            ofs_embed_dim=16 if wide and settings.beside == "image" else None,
            use_rotary_positional_embeddings=not first,
            use_learned_positional_embeddings=settings.beside == "image" and not wide,
        ),
        scheduler=scheduler,
    )
