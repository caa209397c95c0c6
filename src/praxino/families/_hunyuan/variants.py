"""What the published checkpoints of both families have in common, as data. No torch."""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Variant
from praxino.families._hunyuan.settings import Settings, to_options
from praxino.recipe import GuidancePhase

LICENCE = "Tencent Hunyuan Community License"
RESTRICTIONS = "not for use in the European Union, the United Kingdom and South Korea; read it first"
STEERING = ("lora", "true-guidance", "stg", "apg", "cfg-zero-star")
MAX_FRAMES = 601
SHIFT, DYNAMIC_SHIFT = 7.0, 17.0
"""How far the noise levels are shifted towards noise."""
STG_BLOCKS = (2,)
"""What its authors leave out of HunyuanVideo (junhahyung/STGuidance)."""


def published(name: str, title: str, source: str, settings: Settings, grid: Grid, **data: Any) -> Variant:
    """A published checkpoint: 129 frames at 24 a second, 50 steps, an embedded guidance of 6."""
    scale = 6.0 if settings.embeds_guidance else 1.0
    usual: dict[str, Any] = {"num_frames": 129, "steering": STEERING}
    return Variant(
        name=name,
        title=title,
        source=source,
        licence=LICENCE,
        restrictions=RESTRICTIONS,
        grid=grid,
        fps=24.0,
        steps=50,
        guidance_phases=(GuidancePhase(start=1.0, scale=scale),),
        schedule="shifted",
        stg_mode="transformer-block",
        max_text_tokens=settings.max_text_tokens,
        options=to_options(
            settings,
            shifts={"stable": SHIFT, "dynamic": DYNAMIC_SHIFT},
            stg_blocks=STG_BLOCKS,
            strength={"video-to-video": 0.7},
        ),
        **{**usual, **data},
    )
