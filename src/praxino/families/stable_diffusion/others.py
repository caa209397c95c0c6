"""Published checkpoints around Stable Diffusion that do one thing by a pipeline of their own, as data. No torch.

Steps and scales are the defaults of their pipelines in diffusers, but for the latent upscaler, whose guide turns
guidance off (docs/source/en/api/pipelines/stable_diffusion/latent_upscale.md).
"""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import (
    CLIP_VISION_H_PROJECTED,
    CLIP_VISION_L_PROJECTED,
    OPEN_CLIP_H,
    SAFETY_CHECKER,
    UNET_1,
    VAE_4,
)
from praxino.families._stock.unet import CHANGING, GRID
from praxino.recipe import GuidancePhase

RAIL, RAIL_2 = "CreativeML Open RAIL-M", "CreativeML Open RAIL++-M"
RESTRICTIONS = "the licence forbids certain uses; read its list first"
WHOLE = dict.fromkeys(("unet", "text_encoder", "vae", "safety_checker", "image_encoder", "depth_estimator"), "float32")
"""The number format of repositories that are taken whole: full precision is preferred where there are copies."""
UPSCALING = {
    "unet": Network(
        473_398_020, largest=18_874_368, matrices=473_039_616, width=256, is_unet=True, kind="UNet2DConditionModel"
    ),
    "text_encoder": OPEN_CLIP_H,
    "vae": Network(55_325_927, kind="AutoencoderKL"),
}
SHOWN = {
    "unet": Network(
        870_173_124, largest=29_491_200, matrices=869_726_720, width=320, is_unet=True, kind="UNet2DConditionModel"
    ),
    "text_encoder": OPEN_CLIP_H,
    "image_encoder": CLIP_VISION_H_PROJECTED,
    "image_normalizer": Network(2_048, largest=1_024, matrices=2_048),
    "vae": VAE_4,
}
DEEP = {
    "unet": Network(
        865_913_604, largest=29_491_200, matrices=865_469_760, width=320, is_unet=True, kind="UNet2DConditionModel"
    ),
    "text_encoder": OPEN_CLIP_H,
    "depth_estimator": Network(122_377_985, largest=5_308_416, matrices=122_206_944),
    "vae": VAE_4,
}


def _published(name: str, title: str, source: str, pipeline: str, task: str, **data: Any) -> Variant:
    side, guidance, options = data.pop("side"), data.pop("guidance"), data.pop("options", {})
    defaults: dict[str, Any] = {"licence": RAIL_2, "restrictions": RESTRICTIONS, "grid": GRID, "scheduler": "ddim"}
    defaults["file_formats"] = WHOLE
    return Variant(
        name=name,
        title=title,
        source=source,
        tasks=(task,),
        width=side,
        height=side,
        num_frames=1,
        fps=1.0,
        guidance_phases=(GuidancePhase(start=1.0, scale=guidance),),
        schedule="scheduler",
        dtype="float16",
        max_text_tokens=77,
        options={"strength": {}, "pipelines": {task: pipeline}, **options},
        **{**defaults, **data},
    )


X4_UPSCALER = _published(
    "sd-x4-upscaler", "Stable Diffusion x4 upscaler: a picture four times as wide and high",
    "stabilityai/stable-diffusion-x4-upscaler", "StableDiffusionUpscalePipeline", "image-to-image",
    side=128, upscale="4x", steps=75, guidance=9.0, steering=("upscale", "lora", "embedding"),
    networks=UPSCALING, grid=Grid(size_multiple=8, min_side=16, max_side=1024, frame_step=1, max_frames=1),
)  # fmt: skip
"""Three levels of its UNet halve what it is shown."""
X2_UPSCALER = _published(
    "sd-x2-latent-upscaler", "Stable Diffusion latent upscaler: a picture twice as wide and high",
    "stabilityai/sd-x2-latent-upscaler", "StableDiffusionLatentUpscalePipeline", "image-to-image",
    side=512, upscale="2x", steps=75, guidance=0.0, steering=("upscale",), scheduler="euler",
    grid=Grid(size_multiple=32, min_side=64, max_side=1024, frame_step=1, max_frames=1),
    options={"schedulers": ("euler",)},
)  # fmt: skip
"""Its pipeline computes with the noise levels of Euler's scheduler, on twice the latents, halved three times."""
VARIATIONS = _published(
    "sd-image-variations", "Stable Diffusion image variations: draws in the likeness of a picture, without words",
    "lambdalabs/sd-image-variations-diffusers", "StableDiffusionImageVariationPipeline", "text-to-image",
    side=512, steps=50, guidance=7.5, licence=RAIL, scheduler="pndm", steering=("reference",), needs=("reference",),
    options={"shows_references": True, "one_reference": True, "wordless": True},
    revision="17e2bedc1469eab4446e3e2c0219b9e868bf0473",
    networks={
        "unet": UNET_1, "image_encoder": CLIP_VISION_L_PROJECTED, "vae": VAE_4, "safety_checker": SAFETY_CHECKER,
    },
)  # fmt: skip
"""That revision is the main one with safetensors beside its pickles, by the Hub's converter."""
UNCLIP = _published(
    "sd-2.1-unclip", "Stable Diffusion 2.1 unCLIP: draws in the likeness of a picture, after words too",
    "sd2-community/stable-diffusion-2-1-unclip", "StableUnCLIPImg2ImgPipeline", "text-to-image",
    side=768, steps=20, guidance=10.0, steering=("reference", "lora", "embedding"), needs=("reference",),
    options={"shows_references": True, "one_reference": True}, networks=SHOWN,
)  # fmt: skip
DEPTH = _published(
    "sd-2-depth", "Stable Diffusion 2 depth: changes a picture and keeps its depth",
    "sd2-community/stable-diffusion-2-depth", "StableDiffusionDepth2ImgPipeline", "image-to-image",
    side=512, steps=50, guidance=7.5, steering=("lora", "embedding"), scheduler="pndm",
    options={"strength": {"image-to-image": CHANGING["image-to-image"]}}, networks=DEEP,
)  # fmt: skip
ALONE: dict[str, Variant] = {
    next(iter(variant.options["pipelines"].values())): variant
    for variant in (X4_UPSCALER, X2_UPSCALER, VARIATIONS, UNCLIP, DEPTH)
}
"""By the pipeline class, which tells in a folder what it is."""
