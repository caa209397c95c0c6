"""The published Qwen-Image checkpoints, as data, and how a folder tells which it is. No torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

UNION = "InstantX/Qwen-Image-ControlNet-Union"
COMPANIONS = {
    **{f"controlnet:{kind}": UNION for kind in ("canny", "depth", "pose")},
    "controlnet:inpaint": "InstantX/Qwen-Image-ControlNet-Inpainting",
}
TRANSFORMER = Network(
    20_430_401_088, largest=56_623_104, matrices=20_424_818_688, width=3072, kind="QwenImageTransformer2DModel"
)
QWEN_25_VL_7B = Network(8_292_166_656, largest=544_997_376)
VAE = Network(126_892_531, kind="AutoencoderKLQwenImage", decoder_channels=96)


def _published(name: str, title: str, source: str, side_px: int, **data: Any) -> Variant:
    return Variant(
        name=name,
        title=title,
        source=source,
        licence="Apache-2.0",
        grid=Grid(size_multiple=16, min_side=64, max_side=2048, frame_step=1, max_frames=1),
        width=side_px,
        height=side_px,
        num_frames=1,
        fps=1.0,
        guidance_phases=(GuidancePhase(start=1.0, scale=4.0),),
        schedule="scheduler",
        max_text_tokens=512,
        networks={"transformer": TRANSFORMER, "text_encoder": QWEN_25_VL_7B, "vae": VAE},
        **data,
    )


DRAWING = _published(
    "qwen-image", "Qwen-Image", "Qwen/Qwen-Image", 1328,
    tasks=("text-to-image", "image-to-image", "inpainting", "outpainting"), steps=50,
    steering=(*(f"control:{kind}" for kind in ("canny", "depth", "pose", "inpaint")), "lora"),
    options={
        "strength": {"image-to-image": 0.6, "inpainting": 1.0, "outpainting": 1.0}, "companions": COMPANIONS,
    },
)  # fmt: skip
DRAWING_2512 = dataclasses.replace(
    DRAWING, name="qwen-image-2512", title="Qwen-Image 2512", source="Qwen/Qwen-Image-2512"
)
EDIT_INPAINT = "praxino.families.qwen_image.pipelines:EditInpaint"
EDIT = _published(
    "qwen-image-edit", "Qwen-Image-Edit: changes a picture as it is told", "Qwen/Qwen-Image-Edit", 1024,
    tasks=("instruction-editing", "inpainting", "outpainting"), steps=50, steering=("lora",),
    options={
        "strength": {"inpainting": 1.0, "outpainting": 1.0},
        "pipelines": {
            "instruction-editing": "QwenImageEditPipeline", "inpainting": EDIT_INPAINT, "outpainting": EDIT_INPAINT,
        },
    },
)  # fmt: skip
EDIT_PLUS = _published(
    "qwen-image-edit-2509", "Qwen-Image-Edit 2509: changes a picture after others", "Qwen/Qwen-Image-Edit-2509", 1024,
    tasks=("instruction-editing",), steps=40, steering=("reference", "lora"),
    options={"strength": {}, "pipelines": {"instruction-editing": "QwenImageEditPlusPipeline"}},
)  # fmt: skip
EDIT_2511 = dataclasses.replace(
    EDIT_PLUS, name="qwen-image-edit-2511", source="Qwen/Qwen-Image-Edit-2511",
    title="Qwen-Image-Edit 2511: changes a picture after others",
)  # fmt: skip
PUBLISHED: dict[str, Variant] = {
    variant.name: variant for variant in (DRAWING, DRAWING_2512, EDIT, EDIT_PLUS, EDIT_2511)
}


def variant_of(folder: Folder) -> Variant | None:
    """By the pipeline that it was saved from; of the later editors, only 2511 has the shown pictures' time at zero.

    Nothing tells the later Qwen-Image from the first; a praxino.json names it.
    """
    if folder.config("transformer").get("zero_cond_t"):
        return EDIT_2511
    named = {variant.options["pipelines"]["instruction-editing"]: variant for variant in (EDIT, EDIT_PLUS)}
    return named.get(folder.class_name, DRAWING)
