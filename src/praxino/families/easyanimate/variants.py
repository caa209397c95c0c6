"""The published EasyAnimate 5.1 checkpoints, as data, and how configs tell which lies in a folder. No torch.

Sources: aigc-apps/EasyAnimate, README.md, and the defaults and examples of diffusers' pipelines.
"""

from __future__ import annotations

import dataclasses

from praxino.families import Grid, Network, Variant
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.unet import DEPTH_ANYTHING, UNKNOWN_LICENCE
from praxino.recipe import GuidancePhase

PIPELINES = "praxino.families.easyanimate.pipelines"
CELL_PX = 16
"""Pixels to a patch's side: 8 for the VAE, 2 for the patch."""
INPAINT, CONTROL = "EasyAnimateInpaintPipeline", "EasyAnimateControlPipeline"
BESIDE = {
    "text_encoder": Network(8_291_375_616, largest=544_997_376),
    "vae": Network(244_375_507, kind="AutoencoderKLMagvit"),
}
TRANSFORMER = Network(
    11_799_056_960, largest=37_748_736, matrices=11_793_989_632, width=3072, kind="EasyAnimateTransformer3DModel"
)
PICTURE_TRANSFORMER = Network(
    11_799_265_856, largest=37_748_736, matrices=11_794_198_528, width=3072, kind="EasyAnimateTransformer3DModel"
)
MAP_TRANSFORMER = Network(
    11_799_450_176, largest=37_748_736, matrices=11_794_382_848, width=3072, kind="EasyAnimateTransformer3DModel"
)

WORDS = Variant(
    name="easyanimate-5.1",
    title="EasyAnimate 5.1: clips out of words",
    source="alibaba-pai/EasyAnimateV5.1-12b-zh-diffusers",
    licence="Apache-2.0",
    tasks=("text-to-video",),
    grid=Grid(CELL_PX, min_side=256, max_side=1344, frame_step=4, max_frames=49),
    width=672,
    height=384,
    num_frames=49,
    fps=8.0,
    steps=50,
    guidance_phases=(GuidancePhase(start=1.0, scale=5.0),),
    schedule="scheduler",
    negative_prompt=(
        "Twisted body, limb deformities, text subtitles, comics, stillness, ugliness, errors, garbled text."
    ),
    max_text_tokens=256,
    steering=("lora",),
    networks={"transformer": TRANSFORMER, **BESIDE},
)
PICTURES = dataclasses.replace(
    WORDS,
    name="easyanimate-5.1-inpaint",
    title="EasyAnimate 5.1 InP: first and last frames, and clips that are changed",
    source="alibaba-pai/EasyAnimateV5.1-12b-zh-InP-diffusers",
    tasks=("image-to-video", "video-to-video", "text-to-video"),
    steering=("last-frame", "video-mask", "lora"),
    networks={"transformer": PICTURE_TRANSFORMER, **BESIDE},
    options={
        "strength": {"video-to-video": 0.7},
        "pipelines": dict.fromkeys(("image-to-video", "video-to-video", "text-to-video"), f"{PIPELINES}:Inpaint"),
    },
)
MAPS = dataclasses.replace(
    WORDS,
    name="easyanimate-5.1-control",
    title="EasyAnimate 5.1 Control: clips after edges, depth or poses",
    source="alibaba-pai/EasyAnimateV5.1-12b-zh-Control-diffusers",
    tasks=("text-to-video", "image-to-video"),
    steering=("control:canny", "control:depth", "control:pose", "lora"),
    networks={"transformer": MAP_TRANSFORMER, **BESIDE},
    options={
        "companions": {"annotator:depth": DEPTH_ANYTHING},
        "pipelines": dict.fromkeys(("text-to-video", "image-to-video"), f"{PIPELINES}:Control"),
    },
)
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (WORDS, PICTURES, MAPS)}


def variant_of(folder: Folder) -> Variant:
    """The variant whose pipeline the folder was saved from; of other widths, one made for it."""
    base = {INPAINT: PICTURES, CONTROL: MAPS}.get(folder.class_name, WORDS)
    config = folder.config("transformer")
    if (config.get("num_attention_heads", 48), config.get("num_layers", 48)) == (48, 48):
        return base
    grid = dataclasses.replace(base.grid, min_side=CELL_PX)
    return dataclasses.replace(
        base, name="easyanimate-custom", title="an EasyAnimate checkpoint", grid=grid, **UNKNOWN_LICENCE
    )
