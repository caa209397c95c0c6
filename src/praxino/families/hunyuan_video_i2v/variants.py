"""The published HunyuanVideo-I2V checkpoints, as data. No torch."""

from __future__ import annotations

from praxino.families._hunyuan.settings import HIDDEN_FRAMES, Settings
from praxino.families._hunyuan.sizes import NAMED, STRIDE, PictureGrid
from praxino.families._hunyuan.variants import MAX_FRAMES, STEERING, published

ALL_SIZES = tuple(size for sizes in NAMED.values() for size in sizes)
GRID = PictureGrid(
    size_multiple=STRIDE,
    min_side=min(min(size) for size in ALL_SIZES),
    max_side=max(max(size) for size in ALL_SIZES),
    frame_step=4,
    max_frames=MAX_FRAMES,
    sizes=tuple(sorted(set(ALL_SIZES))),
    buckets=NAMED["720p"],
    named=NAMED,
)
SHAPE = {"width": 1248, "height": 704}
NEGATIVE_PROMPT = "deformation, a poor composition and deformed video, bad teeth, bad eyes, bad limbs"
"""Tencent's, where there is classifier-free guidance."""

TOKEN_REPLACE = published(
    "hunyuan-video-i2v",
    "HunyuanVideo-I2V 13B",
    "hunyuanvideo-community/HunyuanVideo-I2V",
    Settings(kind="token-replace"),
    GRID,
    tasks=("image-to-video",),
    steering=("motion", *STEERING),
    negative_prompt=NEGATIVE_PROMPT,
    **SHAPE,
)
LATENT_CONCAT = published(
    "hunyuan-video-i2v-33ch",
    "HunyuanVideo-I2V 13B of the first day, with the picture on channels of its own",
    "hunyuanvideo-community/HunyuanVideo-I2V-33ch",
    Settings(kind="latent-concat", embeds_guidance=False),
    GRID,
    tasks=("image-to-video",),
    steering=("motion", *STEERING),
    negative_prompt=NEGATIVE_PROMPT,
    num_frames=129 - HIDDEN_FRAMES,
    **SHAPE,
)
PUBLISHED = {variant.name: variant for variant in (TOKEN_REPLACE, LATENT_CONCAT)}
