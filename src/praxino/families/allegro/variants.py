"""The published Allegro checkpoint, as data, and how configs tell which lies in a folder. No torch.

Source: rhymes-ai/Allegro, README.md and the defaults of diffusers' AllegroPipeline.
"""

from __future__ import annotations

import dataclasses

from praxino.families import Grid, Network, Variant
from praxino.families._networks import T5_XXL
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.schedulers import DIFFUSION, name_of
from praxino.families._stock.unet import UNKNOWN_LICENCE
from praxino.recipe import GuidancePhase

LENGTHS = (24, 40, 56, 72, 88)
"""Frames that tiles of 24 with steps of 16 cover (diffusers, AutoencoderKLAllegro)."""
CELL_PX, CELL_FRAMES = 8, 4
NETWORKS = {
    "transformer": Network(
        2_771_907_856, largest=31_850_496, matrices=2_770_924_032, width=2304, kind="AllegroTransformer3DModel"
    ),
    "text_encoder": T5_XXL,
    "vae": Network(174_955_751, kind="AutoencoderKLAllegro"),
}

ALLEGRO = Variant(
    name="allegro",
    title="Allegro: six seconds at 720p out of words",
    source="rhymes-ai/Allegro",
    licence="Apache-2.0",
    tasks=("text-to-video",),
    grid=Grid(16, min_side=720, max_side=1280, frame_step=1, max_frames=88, sizes=((1280, 720),)),
    width=1280,
    height=720,
    num_frames=88,
    fps=15.0,
    steps=100,
    guidance_phases=(GuidancePhase(start=1.0, scale=7.5),),
    scheduler="euler-ancestral",
    schedule="scheduler",
    max_text_tokens=512,
    steering=("lora",),
    networks=NETWORKS,
    file_formats={"text_encoder": "float32"},
)
PUBLISHED: dict[str, Variant] = {ALLEGRO.name: ALLEGRO}


def variant_of(folder: Folder) -> Variant:
    """The published one, or one made for a transformer of another size or length."""
    config, scheduler = folder.config("transformer"), folder.config("scheduler")
    width = config.get("sample_width", 160) * CELL_PX
    height = config.get("sample_height", 90) * CELL_PX
    num_frames = config.get("sample_frames", 22) * CELL_FRAMES
    if (width, height, num_frames) == (ALLEGRO.width, ALLEGRO.height, ALLEGRO.num_frames):
        return ALLEGRO
    return dataclasses.replace(
        ALLEGRO,
        name="allegro-custom",
        title="an Allegro checkpoint of another size or length",
        width=width,
        height=height,
        num_frames=num_frames,
        grid=dataclasses.replace(
            ALLEGRO.grid,
            min_side=min(width, height),
            max_side=max(width, height),
            sizes=((width, height),),
            max_frames=num_frames,
        ),
        scheduler=name_of(scheduler, DIFFUSION),
        **UNKNOWN_LICENCE,
    )
