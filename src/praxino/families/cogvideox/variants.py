"""Every published CogVideoX checkpoint, as data.

Numbers are those of the authors' configs (zai-org/CogVideo at 7a1af71, sat/configs/*.yaml, inference/cli_demo.py and
README.md). Knows no file and no torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import T5_XXL
from praxino.families.cogvideox.settings import Settings, to_options
from praxino.recipe import GuidancePhase

FAMILY_NAME = "cogvideox"
SPATIAL_RATIO, TEMPORAL_RATIO = 8, 4
"""Pixels and frames that one latent stands for (the first stands for one frame)."""
PATCH = 2
"""Latents in a token, along a side."""
LICENCE = "CogVideoX licence: research; for commercial use register, up to a million visits a month"
RESTRICTIONS = "Commercial use needs a registration with Zhipu AI; military use is forbidden."
FIRST_SIZES = ((720, 480),)
"""What CogVideoX 1.0 draws."""
SHORT_SIDE, LONG_SIDE = 768, 1360
"""CogVideoX1.5: pictures have this shorter side, and a longer one up to that, a multiple of 16."""
PICTURE_SIZES = tuple(
    size for long in range(SHORT_SIDE, LONG_SIDE + 1, 16) for size in {(long, SHORT_SIDE), (SHORT_SIDE, long)}
)
FIRST_GRID = Grid(16, 480, 720, TEMPORAL_RATIO, 49, FIRST_SIZES)
PICTURE_GRID = dataclasses.replace(FIRST_GRID, frame_step=48)
"""The first image-to-video model has learnt 49 frames' positions and no others."""
WIDE_GRID = Grid(16, SHORT_SIDE, LONG_SIDE, 2 * TEMPORAL_RATIO, 161, ((LONG_SIDE, SHORT_SIDE),))
FUN_GRID = Grid(16, 256, 1280, TEMPORAL_RATIO, 49)
FROM_WORDS = ("text-to-video", "video-to-video")

SETTINGS_2B = Settings(num_layers=30, shift_scale=3.0)
SETTINGS_5B = Settings()
SETTINGS_WIDE = Settings(temporal_patch=2, max_text_tokens=224, image_resize="lanczos", image_scaled=False)
SETTINGS_FUN = Settings(
    beside="control", levels="trailing", dynamic_guidance=False, zero_negative=False, output_epsilon=1e-5
)
"""Its authors build on diffusers, and sample as its pipeline does."""

TRANSFORMER_2B = Network(
    1_693_783_872, largest=14_745_600, matrices=1_692_319_744, width=1920, kind="CogVideoXTransformer3DModel"
)
TRANSFORMER_5B = Network(
    5_570_283_072, largest=37_748_736, matrices=5_567_021_056, width=3072, kind="CogVideoXTransformer3DModel"
)
PICTURE_TRANSFORMER = Network(
    5_625_087_552, largest=54_607_872, matrices=5_621_825_536, width=3072, kind="CogVideoXTransformer3DModel"
)
WIDE_TRANSFORMER = Network(
    5_570_676_352, largest=37_748_736, matrices=5_567_414_272, width=3072, kind="CogVideoXTransformer3DModel"
)
WIDE_PICTURE_TRANSFORMER = Network(
    5_571_594_880, largest=37_748_736, matrices=5_568_331_776, width=3072, kind="CogVideoXTransformer3DModel"
)
POSE_TRANSFORMER_2B = Network(
    1_693_906_752, largest=14_745_600, matrices=1_692_442_624, width=1920, kind="CogVideoXTransformer3DModel"
)
POSE_TRANSFORMER_5B = Network(
    5_570_479_680, largest=37_748_736, matrices=5_567_217_664, width=3072, kind="CogVideoXTransformer3DModel"
)
BESIDE = {"text_encoder": T5_XXL, "vae": Network(215_583_907, kind="AutoencoderKLCogVideoX")}

AFTER_POSES: dict[str, Any] = {
    "tasks": ("text-to-video",),
    "grid": FUN_GRID,
    "steering": ("control:pose", "lora", "stg", "apg", "cfg-zero-star"),
    "needs": ("control:pose",),
}


def _published(name: str, title: str, source: str, settings: Settings, **data: Any) -> Variant:
    wide = settings.temporal_patch == 2
    defaults: dict[str, Any] = {
        "licence": LICENCE,
        "restrictions": RESTRICTIONS,
        "tasks": FROM_WORDS,
        "grid": WIDE_GRID if wide else FIRST_GRID,
        "width": LONG_SIDE if wide else 720,
        "height": SHORT_SIDE if wide else 480,
        "num_frames": 81 if wide else 49,
        "fps": 16.0 if wide else 8.0,
        "steering": ("lora", "stg", "apg", "cfg-zero-star"),
    }
    return Variant(
        name=name,
        title=title,
        source=source,
        steps=50,
        guidance_phases=(GuidancePhase(start=1.0, scale=6.0),),
        scheduler="ddim" if settings.levels == "trailing" else "dpm++-sde",
        schedule="scheduler",
        max_text_tokens=settings.max_text_tokens,
        options=to_options(settings),
        **{**defaults, **data},
    )


PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _published(
            "cogvideox-2b", "CogVideoX 2B", "THUDM/CogVideoX-2b", SETTINGS_2B,
            licence="Apache-2.0", restrictions="", dtype="float16",
            networks={"transformer": TRANSFORMER_2B, **BESIDE},
        ),
        _published(
            "cogvideox-5b", "CogVideoX 5B", "THUDM/CogVideoX-5b", SETTINGS_5B,
            networks={"transformer": TRANSFORMER_5B, **BESIDE},
        ),
        _published(
            "cogvideox-5b-i2v", "CogVideoX 5B: a picture set in motion", "THUDM/CogVideoX-5b-I2V",
            dataclasses.replace(SETTINGS_5B, beside="image"), tasks=("image-to-video",), grid=PICTURE_GRID,
            networks={"transformer": PICTURE_TRANSFORMER, **BESIDE},
        ),
        _published(
            "cogvideox-1.5-5b", "CogVideoX1.5 5B", "THUDM/CogVideoX1.5-5B", SETTINGS_WIDE,
            networks={"transformer": WIDE_TRANSFORMER, **BESIDE},
        ),
        _published(
            "cogvideox-1.5-5b-i2v", "CogVideoX1.5 5B: a picture set in motion", "THUDM/CogVideoX1.5-5B-I2V",
            dataclasses.replace(SETTINGS_WIDE, beside="image"), tasks=("image-to-video",),
            grid=dataclasses.replace(WIDE_GRID, sizes=PICTURE_SIZES),
            networks={"transformer": WIDE_PICTURE_TRANSFORMER, **BESIDE},
        ),
        _published(
            "cogvideox-fun-2b-pose", "CogVideoX-Fun 1.1 2B: after a clip of poses",
            "alibaba-pai/CogVideoX-Fun-V1.1-2b-Pose",
            dataclasses.replace(SETTINGS_FUN, num_layers=30, shift_scale=3.0), **AFTER_POSES,
            networks={"transformer": POSE_TRANSFORMER_2B, **BESIDE},
        ),
        _published(
            "cogvideox-fun-5b-pose", "CogVideoX-Fun 1.1 5B: after a clip of poses",
            "alibaba-pai/CogVideoX-Fun-V1.1-5b-Pose", SETTINGS_FUN, **AFTER_POSES,
            networks={"transformer": POSE_TRANSFORMER_5B, **BESIDE},
        ),
    )
}  # fmt: skip
"""By name."""
