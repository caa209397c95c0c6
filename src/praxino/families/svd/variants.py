"""The published Stable Video Diffusion checkpoints, as data, and how configs tell which lies in a folder. No torch.

Steps, guidance, pace and noise are the defaults of diffusers' pipeline; frames decoded at a time are the authors'
(Stability-AI/generative-models, scripts/sampling/simple_video_sample.py).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import CLIP_VISION_H_PROJECTED
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.unet import UNKNOWN_LICENCE
from praxino.recipe import GuidancePhase

CELL_PX = 8
GRID = Grid(64, min_side=256, max_side=1024, frame_step=1, max_frames=25)
HALF_FILES = tuple(f"{name}/*.fp16.safetensors" for name in ("image_encoder", "unet", "vae"))
NETWORKS = {
    "unet": Network(1_524_623_082, largest=29_491_200, matrices=1_523_623_680, width=320, is_unet=True),
    "image_encoder": CLIP_VISION_H_PROJECTED,
    "vae": Network(97_742_847, kind="AutoencoderKLTemporalDecoder"),
}


def _published(name: str, title: str, repository: str, num_frames: int, **data: Any) -> Variant:
    return Variant(
        name=name,
        title=title,
        source=f"stabilityai/stable-video-diffusion-{repository}",
        licence="Stability AI's own; see its page",
        restrictions="commercial use is tied to Stability AI's terms; read its licence first",
        tasks=("image-to-video",),
        grid=dataclasses.replace(GRID, max_frames=num_frames),
        width=1024,
        height=576,
        num_frames=num_frames,
        fps=7.0,
        steps=25,
        guidance_phases=(GuidancePhase(start=1.0, scale=3.0),),
        schedule="scheduler",
        dtype="float16",
        max_text_tokens=0,
        steering=("motion-strength", "lora"),
        files=("model_index.json", "*/*.json", *HALF_FILES),
        networks=NETWORKS,
        **data,
    )


SVD = _published("svd", "Stable Video Diffusion: two seconds out of a picture", "img2vid", 14)
XT = _published("svd-xt", "Stable Video Diffusion XT: 25 frames out of a picture", "img2vid-xt", 25)
XT_1_1 = _published(
    "svd-xt-1.1", "Stable Video Diffusion XT 1.1: steadier at seven frames a second", "img2vid-xt-1-1", 25, gated=True
)
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (SVD, XT, XT_1_1)}


def variant_of(folder: Folder) -> Variant:
    """The first published one of its length; of another size, one made for it. XT 1.1 cannot be told from XT."""
    unet = folder.config("unet")
    base = SVD if unet.get("num_frames", 25) == SVD.num_frames else XT
    if tuple(unet.get("block_out_channels", (320, 640, 1280, 1280))) == (320, 640, 1280, 1280):
        return base
    side = unet.get("sample_size", 96) * CELL_PX
    return dataclasses.replace(
        base,
        name="svd-custom",
        title="a Stable Video Diffusion checkpoint",
        width=side,
        height=side,
        grid=dataclasses.replace(base.grid, min_side=min(side, GRID.min_side)),
        **UNKNOWN_LICENCE,
    )
