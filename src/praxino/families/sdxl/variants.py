"""The published SDXL checkpoints, as data, and how configs tell which lies in a folder. No torch.

Steps and guidance are the defaults of diffusers' pipelines, but where a checkpoint's own page says otherwise (Turbo).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from praxino.families import Network, Variant
from praxino.families._networks import CLIP_G, CLIP_L, UNET_XL, VAE_4
from praxino.families._stock.checkpoint import Folder, read_shapes
from praxino.families._stock.original import is_filling, kind_of
from praxino.families._stock.unet import (
    CHANGING,
    DRAWING,
    FILLING,
    GRID,
    MAPS,
    found,
    found_in_file,
    half_files,
)
from praxino.recipe import GuidancePhase

TEXT_WIDTH = 2048
"""The UNet's cross_attention_dim: both text encoders together."""
FILLING_UNET = Network(
    2_567_478_084, largest=29_491_200, matrices=2_565_894_720, width=320, is_unet=True, kind="UNet2DConditionModel"
)
EDITING_UNET = Network(
    2_567_475_204, largest=29_491_200, matrices=2_565_891_840, width=320, is_unet=True, kind="UNet2DConditionModel"
)
REFINING_UNET = Network(
    2_259_526_660, largest=42_467_328, matrices=2_258_365_440, width=384, is_unet=True, kind="UNet2DConditionModel"
)
OPEN_RAIL = "CreativeML Open RAIL++-M"
RESTRICTIONS = "the licence forbids certain uses; read its list first"
COMPANIONS = {
    "controlnet:canny": "diffusers/controlnet-canny-sdxl-1.0",
    "controlnet:depth": "diffusers/controlnet-depth-sdxl-1.0",
    "controlnet:pose": "xinsir/controlnet-openpose-sdxl-1.0",
    "controlnet:scribble": "xinsir/controlnet-scribble-sdxl-1.0",
    "controlnet:tile": "xinsir/controlnet-tile-sdxl-1.0",
    "ip-adapter": "h94/IP-Adapter/sdxl_models/ip-adapter_sdxl.safetensors",
    "image-encoder": "h94/IP-Adapter/sdxl_models/image_encoder",
}
STEERING = (
    *(f"control:{kind}" for kind in MAPS),
    "reference", "reference:style", "reference:layout", "lora", "embedding",
)  # fmt: skip


def _published(name: str, title: str, source: str, **data: Any) -> Variant:
    unet = data.pop("unet", FILLING_UNET if data.get("tasks") == FILLING else UNET_XL)
    defaults: dict[str, Any] = {
        "options": {"strength": CHANGING, "companions": COMPANIONS},
        "steering": STEERING,
        "networks": {"unet": unet, "text_encoder": CLIP_L, "text_encoder_2": CLIP_G, "vae": VAE_4},
        "licence": OPEN_RAIL,
        "restrictions": RESTRICTIONS,
        "tasks": DRAWING,
        "width": 1024,
        "height": 1024,
        "steps": 50,
        "guidance_phases": (GuidancePhase(start=1.0, scale=5.0),),
    }
    return Variant(
        name=name,
        title=title,
        source=source,
        grid=GRID,
        num_frames=1,
        fps=1.0,
        schedule="scheduler",
        dtype="float16",
        max_text_tokens=77,
        **{**defaults, **data},
    )


_HALF_FILES = half_files("text_encoder", "text_encoder_2", "unet", "vae")
_WHOLE = dict.fromkeys(("unet", "text_encoder", "text_encoder_2", "vae"), "float32")
_SMALL: dict[str, Any] = {"width": 512, "height": 512}

BASE = _published("sdxl-base", "Stable Diffusion XL 1.0", "stabilityai/stable-diffusion-xl-base-1.0", files=_HALF_FILES)
TURBO = _published(
    "sdxl-turbo", "SDXL Turbo: 1 to 4 steps", "stabilityai/sdxl-turbo",
    steps=1, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),), scheduler="euler-ancestral",
    licence="Stability AI's (sai-nc-community)", restrictions="see stability.ai/license before commercial use",
    files=_HALF_FILES, **_SMALL,
)  # fmt: skip
SMALL = _published(
    "sdxl-512", "SDXL tuned to 512 pixels by Hotshot", "hotshotco/SDXL-512", file_formats=_WHOLE, **_SMALL
)
INPAINTING = _published(
    "sdxl-inpainting", "SDXL 1.0 inpainting 0.1: draws what a mask covers",
    "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
    tasks=FILLING, guidance_phases=(GuidancePhase(start=1.0, scale=7.5),), files=_HALF_FILES,
)  # fmt: skip
REFINER = _published(
    "sdxl-refiner", "SDXL 1.0 refiner: draws a picture's details anew", "stabilityai/stable-diffusion-xl-refiner-1.0",
    tasks=("image-to-image", "inpainting", "outpainting"), steering=(),
    networks={"unet": REFINING_UNET, "text_encoder_2": CLIP_G, "vae": VAE_4},
    options={"strength": {**CHANGING, "image-to-image": 0.3}},
    files=half_files("text_encoder_2", "unet", "vae"),
)  # fmt: skip
"""Its strength is the default of the pipeline that draws with it."""
EDITING = _published(
    "sdxl-instruct-pix2pix", "SDXL InstructPix2Pix: changes a picture as it is told",
    "diffusers/sdxl-instructpix2pix-768",
    tasks=("instruction-editing",), steering=("lora", "embedding"), width=768, height=768,
    steps=30, guidance_phases=(GuidancePhase(start=1.0, scale=3.0),), unet=EDITING_UNET,
    options={
        "strength": {}, "image_guidance": 1.5,
        "pipelines": {"instruction-editing": "StableDiffusionXLInstructPix2PixPipeline"},
    },
)  # fmt: skip
"""Steps and scales are those of the example in its pipeline's documentation."""
PUBLISHED: dict[str, Variant] = {
    variant.name: variant for variant in (BASE, TURBO, SMALL, INPAINTING, REFINER, EDITING)
}


def file_variant_of(path: Path) -> Variant | None:
    """A variant for a single file in the original layout; None when it is no whole SDXL."""
    shapes = read_shapes(path) or {}
    if kind_of(shapes) != "sdxl":
        return None
    filling = is_filling(shapes)
    return found_in_file(INPAINTING if filling else BASE, "sdxl-custom", "an SDXL checkpoint", filling)


def variant_of(folder: Folder) -> Variant:
    """A variant for a folder: fine-tunes cannot be told from what they were tuned from, but distilled ones can."""
    if folder.class_name == EDITING.options["pipelines"]["instruction-editing"]:
        return dataclasses.replace(found(EDITING, "sdxl-editing", "an SDXL that edits", folder), tasks=EDITING.tasks)
    if folder.index.get("requires_aesthetics_score"):
        return dataclasses.replace(found(REFINER, "sdxl-refining", "an SDXL refiner", folder), tasks=REFINER.tasks)
    scheduler = folder.config("scheduler")
    one_step = scheduler.get("timestep_spacing") == "trailing" and "Ancestral" in scheduler.get("_class_name", "")
    base = TURBO if one_step else INPAINTING if folder.config("unet").get("in_channels") == 9 else BASE
    return found(base, "sdxl-custom", "an SDXL checkpoint", folder)
