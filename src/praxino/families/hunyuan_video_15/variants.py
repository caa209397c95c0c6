"""The published HunyuanVideo 1.5 checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._hunyuan.sizes import PictureGrid, buckets
from praxino.families._hunyuan.variants import LICENCE, RESTRICTIONS
from praxino.families._networks import SIGLIP
from praxino.families._stock.checkpoint import Folder, read_json
from praxino.families.hunyuan_video_15 import larger
from praxino.recipe import GuidancePhase

STRIDE = 16
FROM_PICTURES = "HunyuanVideo15ImageToVideoPipeline"
GUIDANCE = 6.0
RESOLUTIONS = {640: "480p", 960: "720p"}
"""By the side of the square whose area a clip has: `target_size` in the transformer's config."""
LYING = {640: (848, 480), 960: (1280, 720)}
"""The size of 16:9."""
LONGEST_FRAMES = 241
NETWORKS = {
    "transformer": Network(8_326_608_160, largest=25_165_824, matrices=8_323_162_112, width=2048),
    "text_encoder": Network(7_070_619_136, largest=544_997_376),
    "text_encoder_2": Network(219_314_944, largest=5_275_648),
    "vae": Network(1_260_634_115, kind="AutoencoderKLHunyuanVideo15"),
}


@dataclass(frozen=True)
class TwoStageGrid(PictureGrid):
    """A grid of clips that a second stage draws larger."""

    target: int = 640

    def enlarged(self) -> Mapping[tuple[int, int], tuple[int, int]]:
        """What it makes of each of its authors' sizes."""
        return larger.sizes(self.target)


def _grid(target: int, from_pictures: bool) -> Grid:
    grid = TwoStageGrid(
        STRIDE, min_side=32, max_side=1920, frame_step=4, max_frames=LONGEST_FRAMES, same_aspect=True, target=target
    )
    return dataclasses.replace(grid, buckets=buckets(target, STRIDE)) if from_pictures else grid


def _variant(target: int, from_pictures: bool, **data: Any) -> Variant:
    width, height = LYING.get(target, (target, target))
    return Variant(
        licence=LICENCE,
        restrictions=RESTRICTIONS,
        tasks=("image-to-video",) if from_pictures else ("text-to-video",),
        grid=_grid(target, from_pictures),
        width=width,
        height=height,
        num_frames=121,
        fps=24.0,
        steps=50,
        guidance_phases=(GuidancePhase(start=1.0, scale=GUIDANCE),),
        schedule="scheduler",
        max_text_tokens=1000,
        steering=("apg", "cfg-zero-star", "lora", "upscale"),
        options={"target": target},
        networks={**NETWORKS, "image_encoder": SIGLIP} if from_pictures else NETWORKS,
        file_formats=dict.fromkeys(("transformer", "text_encoder_2", "vae"), "float32"),
        **data,
    )


def _published(target: int, from_pictures: bool) -> Variant:
    resolution = RESOLUTIONS[target]
    return _variant(
        target,
        from_pictures,
        name=f"hunyuan-video-1.5-{resolution}" + ("-i2v" if from_pictures else ""),
        title=f"HunyuanVideo 1.5 8.3B, {resolution}: {'a picture in motion' if from_pictures else 'words to a clip'}",
        source=f"hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-{resolution}_{'i2v' if from_pictures else 't2v'}",
    )


PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (_published(target, from_pictures) for from_pictures in (False, True) for target in RESOLUTIONS)
}


def variant_of(folder: Folder) -> Variant | None:
    """The one of that task and area; other guidance than the published, as distilled ones have, is the folder's own."""
    from_pictures = folder.class_name == FROM_PICTURES
    target = folder.config("transformer").get("target_size", 640)
    name = f"hunyuan-video-1.5-{RESOLUTIONS.get(target)}" + ("-i2v" if from_pictures else "")
    told = read_json(folder.path / "guider" / "guider_config.json")
    scale = float(told.get("guidance_scale", GUIDANCE)) if told.get("enabled", True) else 1.0
    found = PUBLISHED.get(name) or _variant(
        target, from_pictures, name="hunyuan-video-1.5-custom", title="a HunyuanVideo 1.5 checkpoint", source=""
    )
    return dataclasses.replace(found, guidance_phases=(GuidancePhase(start=1.0, scale=scale),))
