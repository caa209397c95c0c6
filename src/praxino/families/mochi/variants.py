"""The published Mochi checkpoint, as data.

Numbers are those of the authors' command (genmoai/mochi at 0c86aeb, demos/cli.py). Knows no file and no torch.
"""

from __future__ import annotations

from praxino.families import Grid, Network, Variant
from praxino.families._networks import T5_XXL
from praxino.recipe import GuidancePhase

FAMILY_NAME = "mochi"
DECODER, ENCODER = "decoder.safetensors", "encoder.safetensors"
"""Genmo's VAE, beside the transformer."""
SPATIAL_RATIO = 8
"""Pixels that one latent stands for, along a side."""
TEMPORAL_RATIO = 6
"""Frames that one latent stands for (the first stands for one)."""
NUM_LAYERS = 48
FILES = (
    "model_index.json",
    "scheduler/*",
    "tokenizer/*",
    "text_encoder/*",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model-*.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)
"""The files in full precision: the half-precision copies round the position frequencies, which the authors do not."""
NETWORKS = {
    "transformer": Network(10_027_677_744, largest=50_331_648, matrices=10_026_521_088, width=3072),
    "text_encoder": T5_XXL,
    "vae": Network(459_748_611, kind="AutoencoderKLMochi"),
}

PREVIEW = Variant(
    name="mochi-1-preview",
    title="Mochi 1 preview",
    source="genmo/mochi-1-preview",
    licence="Apache-2.0",
    tasks=("text-to-video",),
    grid=Grid(size_multiple=16, min_side=256, max_side=1280, frame_step=TEMPORAL_RATIO, max_frames=163),
    width=848,
    height=480,
    num_frames=163,
    fps=30.0,
    steps=64,
    guidance_phases=(GuidancePhase(start=1.0, scale=6.0),),
    schedule="linear-quadratic",
    max_text_tokens=256,
    steering=("lora", "stg", "apg", "cfg-zero-star"),
    files=FILES,
    networks=NETWORKS,
    file_formats=dict.fromkeys(NETWORKS, "float32"),
    options={"num_layers": NUM_LAYERS, "max_text_tokens": 256},
)

PUBLISHED: dict[str, Variant] = {PREVIEW.name: PREVIEW}
"""By name."""
