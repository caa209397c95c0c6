"""The published checkpoint, as data. Knows no file and no torch.

It was trained at seven sizes (width x height): 320x768, 384x672, 416x608, 512x512, 608x416, 672x384 and 768x320, with
8 frames at 8 fps. Any other multiple of 32 and 1 to 24 frames are drawn too, less surely.
Sources: hotshotco/Hotshot-XL at cc01f7f, inference.py and README.md.
"""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import CLIP_G, CLIP_L, VAE_4
from praxino.recipe import GuidancePhase

TASKS = ("text-to-video", "image-to-video", "video-to-video")
STEERING = ("control:canny", "control:depth", "spatial-base", "lora")
SIZE_MULTIPLE = 32
MAX_FRAMES = 24
MIN_SIDE, MAX_SIDE = 256, 2048
"""Our own bounds: below, SDXL's latents are too few to hold a picture; above, it repeats itself."""
OPTIONS: dict[str, Any] = {
    "original_size": [1920, 1080],
    "target_size": [512, 512],
    "strength": 0.8,
    "control_scale": 0.7,
}
"""original_size and target_size are SDXL's micro-conditions, (width, height); strength is the share of the noise levels
that is run when a clip is changed; control_scale is the original's for its ControlNets."""
CONTROLNETS = {
    "canny": "diffusers/controlnet-canny-sdxl-1.0",
    "depth": "diffusers/controlnet-depth-sdxl-1.0",
}
"""The original's, by kind."""
ANNOTATORS = {"depth": "LiheYoung/depth-anything-large-hf"}
"""Models that make maps, by kind; the original has none, and takes the frames themselves for maps."""


def grid(size_multiple: int, min_side: int) -> Grid:
    """What can be drawn where latents stand for so many pixels."""
    return Grid(size_multiple, min_side, MAX_SIDE, frame_step=1, max_frames=MAX_FRAMES)


NETWORKS = {
    "unet": Network(2_804_511_684, largest=29_491_200, matrices=2_802_693_120, width=320, is_unet=True),
    "text_encoder": CLIP_L,
    "text_encoder_2": CLIP_G,
    "vae": VAE_4,
}

HOTSHOT_XL = Variant(
    name="hotshot-xl",
    title="Hotshot-XL: GIFs of a second with SDXL",
    source="hotshotco/Hotshot-XL",
    licence="OpenRAIL++",
    restrictions="the licence forbids certain uses; read its list first",
    tasks=TASKS,
    grid=grid(SIZE_MULTIPLE, MIN_SIDE),
    width=672,
    height=384,
    num_frames=8,
    fps=8.0,
    steps=30,
    guidance_phases=(GuidancePhase(start=1.0, scale=5.0),),
    negative_prompt="blurry",
    scheduler="euler-ancestral",
    schedule="scheduler",
    dtype="float16",
    max_text_tokens=77,
    options=OPTIONS,
    steering=STEERING,
    networks=NETWORKS,
    file_formats=dict.fromkeys(NETWORKS, "float32"),
)
