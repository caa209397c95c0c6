"""The published HunyuanVideo checkpoint, as data. No torch."""

from __future__ import annotations

from praxino.families import Grid, Network
from praxino.families._hunyuan.settings import Settings
from praxino.families._hunyuan.variants import MAX_FRAMES, published
from praxino.families._networks import CLIP_L, HUNYUAN_VAE, LLAMA_3_8B

NEGATIVE_PROMPT = (
    "Aerial view, aerial view, overexposed, low quality, deformation, a poor composition, bad hands, bad teeth, "
    "bad eyes, bad limbs, distortion"
)
"""Tencent's, where there is classifier-free guidance."""
NETWORKS = {
    "transformer": Network(
        12_821_012_544, largest=56_623_104, matrices=12_817_661_952, width=3072, kind="HunyuanVideoTransformer3DModel"
    ),
    "text_encoder": LLAMA_3_8B,
    "text_encoder_2": CLIP_L,
    "vae": HUNYUAN_VAE,
}

TEXT = published(
    "hunyuan-video",
    "HunyuanVideo 13B",
    "hunyuanvideo-community/HunyuanVideo",
    Settings(),
    Grid(size_multiple=16, min_side=64, max_side=1280, frame_step=4, max_frames=MAX_FRAMES),
    tasks=("text-to-video", "video-to-video"),
    negative_prompt=NEGATIVE_PROMPT,
    width=1280,
    height=720,
    networks=NETWORKS,
)
PUBLISHED = {TEXT.name: TEXT}
