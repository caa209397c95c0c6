"""The published Wan Animate checkpoint, as data (Wan-Video/Wan2.2 at 42bf4cf, wan/configs/wan_animate_14B.py)."""

from __future__ import annotations

import dataclasses

from praxino.families import Network, Variant
from praxino.families.wan.settings import TEXT_TOKENS, Settings, to_options
from praxino.families.wan.variants import HUB, NEGATIVE, PICTURE_BESIDE, grid
from praxino.recipe import GuidancePhase

FAMILY_NAME = "wan-animate"
PROMPT = "视频中的人在做动作"
"""What the authors say where nothing is said: the person in the video is moving."""
FACE = "control:face"
"""A clip of the face alone, whose expression is followed."""
POSE = "control:pose"
"""A clip of drawn poses; "annotate:pose" is one of somebody, of which they are made."""
SEGMENT_FRAMES = 77
"""What the authors draw at a time; a longer clip goes on from the last frame of the piece before."""
TRANSFORMER = Network(
    17_274_816_884, largest=157_286_400, matrices=17_270_313_056, width=5120, kind="WanAnimateTransformer3DModel"
)

PUBLISHED: dict[str, Variant] = {
    "wan2.2-animate-14b": Variant(
        name="wan2.2-animate-14b",
        title="Wan 2.2 Animate, 14B: a character moves as poses say, or takes somebody's place in a clip",
        source=f"{HUB}/Wan2.2-Animate-14B-Diffusers",
        licence="Apache-2.0",
        tasks=("image-to-video", "text-to-video", "video-to-video"),
        grid=dataclasses.replace(grid(16), max_frames=SEGMENT_FRAMES),
        width=1280,
        height=720,
        num_frames=SEGMENT_FRAMES,
        fps=30.0,
        steps=20,
        guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
        stg_mode="transformer-block",
        negative_prompt=NEGATIVE,
        scheduler="unipc",
        schedule="wan",
        max_text_tokens=TEXT_TOKENS,
        options=to_options(Settings(shift=5.0)),
        steering=("motion-template", "video-mask", "reference", FACE, POSE, "lora", "stg", "apg", "cfg-zero-star"),
        needs=("motion-template", "video-mask"),
        networks={"transformer": TRANSFORMER, **PICTURE_BESIDE},
        file_formats={"vae": "float32"},
    )
}
