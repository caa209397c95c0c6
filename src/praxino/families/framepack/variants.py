"""The published FramePack checkpoints, as data, and how configs tell that one lies in a folder. No torch.

Figures: lllyasviel/FramePack, demo_gradio.py and diffusers_helper/bucket_tools.py.
"""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Network, Part, Variant
from praxino.families._hunyuan.variants import LICENCE, RESTRICTIONS
from praxino.families._networks import CLIP_L, HUNYUAN_VAE, LLAMA_3_8B, SIGLIP
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

SECTION_FRAMES = 36
"""By which each section makes the clip longer; the first frame is the picture."""
TRANSFORMER_CLASS = "HunyuanVideoFramepackTransformer3DModel"
BUCKETS = (
    (960, 416), (864, 448), (832, 480), (768, 512), (704, 544), (672, 576), (640, 608),
    (608, 640), (576, 672), (544, 704), (512, 768), (480, 832), (448, 864), (416, 960),
)  # fmt: skip
GRID = Grid(
    size_multiple=16,
    min_side=64,
    max_side=1280,
    frame_step=SECTION_FRAMES,
    max_frames=SECTION_FRAMES * 100 + 1,
    buckets=BUCKETS,
)
FROM_OTHERS = {
    "components": Part(
        "hunyuanvideo-community/HunyuanVideo",
        ("model_index.json", *(f"{name}/*" for name in ("scheduler", "vae", "text_encoder", "text_encoder_2")),
         "tokenizer/*", "tokenizer_2/*"),
    ),
    "eye": Part("lllyasviel/flux_redux_bfl", ("image_encoder/*", "feature_extractor/*")),
}  # fmt: skip
"""What the authors' program loads beside the transformer: all of HunyuanVideo but its own, and FLUX.1 Redux's eye."""
BESIDE = {"text_encoder": LLAMA_3_8B, "text_encoder_2": CLIP_L, "vae": HUNYUAN_VAE, "image_encoder": SIGLIP}
"""What comes with them."""
NETWORKS = {
    "transformer": Network(
        12_874_314_816,
        largest=56_623_104,
        matrices=12_870_942_720,
        width=3072,
        kind="HunyuanVideoFramepackTransformer3DModel",
    ),
    **BESIDE,
}


def _published(name: str, title: str, source: str, sampling: str, steering: tuple[str, ...]) -> Variant:
    options: dict[str, Any] = {"sampling": sampling, "true_guidance": 1.0}
    return Variant(
        name=name,
        title=title,
        source=source,
        licence=LICENCE,
        restrictions=RESTRICTIONS,
        tasks=("image-to-video",),
        grid=GRID,
        width=832,
        height=480,
        num_frames=SECTION_FRAMES * 4 + 1,
        fps=30.0,
        steps=25,
        guidance_phases=(GuidancePhase(start=1.0, scale=10.0),),
        schedule="scheduler",
        max_text_tokens=256,
        steering=steering,
        options=options,
        networks=NETWORKS,
        parts=FROM_OTHERS,
    )


FRAMEPACK = _published(
    "framepack",
    "FramePack 13B: a picture to a clip of any length, drawn from its end",
    "lllyasviel/FramePackI2V_HY",
    "inverted_anti_drifting",
    ("last-frame", "true-guidance", "lora"),
)
F1 = _published(
    "framepack-f1",
    "FramePack-F1 13B: the same, drawn from its beginning",
    "lllyasviel/FramePack_F1_I2V_HY_20250503",
    "vanilla",
    ("true-guidance", "lora"),
)
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (FRAMEPACK, F1)}


def variant_of(folder: Folder) -> Variant | None:
    """Of a folder, the first one; F1 is alike in every config, and a praxino.json names it."""
    return FRAMEPACK if folder.component_class("transformer") == TRANSFORMER_CLASS else None
