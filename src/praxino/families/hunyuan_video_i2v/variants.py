"""The published HunyuanVideo-I2V checkpoints, as data. No torch."""

from __future__ import annotations

from praxino.families import Network
from praxino.families._hunyuan.settings import HIDDEN_FRAMES, Settings
from praxino.families._hunyuan.sizes import NAMED, STRIDE, PictureGrid
from praxino.families._hunyuan.variants import MAX_FRAMES, STEERING, published
from praxino.families._networks import CLIP_L, HUNYUAN_VAE

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
BESIDE = {"text_encoder": Network(8_355_272_704, largest=525_598_720), "text_encoder_2": CLIP_L, "vae": HUNYUAN_VAE}
TRANSFORMER = Network(
    12_821_012_544, largest=56_623_104, matrices=12_817_661_952, width=3072, kind="HunyuanVideoTransformer3DModel"
)
CONCAT_TRANSFORMER = Network(
    12_810_991_680, largest=56_623_104, matrices=12_807_647_232, width=3072, kind="HunyuanVideoTransformer3DModel"
)

TOKEN_REPLACE = published(
    "hunyuan-video-i2v",
    "HunyuanVideo-I2V 13B",
    "hunyuanvideo-community/HunyuanVideo-I2V",
    Settings(kind="token-replace"),
    GRID,
    tasks=("image-to-video",),
    steering=("motion", *STEERING),
    negative_prompt=NEGATIVE_PROMPT,
    networks={"transformer": TRANSFORMER, **BESIDE},
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
    networks={"transformer": CONCAT_TRANSFORMER, **BESIDE},
    **SHAPE,
)
PUBLISHED = {variant.name: variant for variant in (TOKEN_REPLACE, LATENT_CONCAT)}
