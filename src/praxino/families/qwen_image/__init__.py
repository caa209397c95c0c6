"""Qwen-Image by Alibaba's Qwen team. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from praxino.families import Family, Variant
from praxino.families._stock import FLOW, Given, Reader, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families._stock.pictures import of_role
from praxino.families.qwen_image.variants import DRAWING, PUBLISHED, variant_of
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.families._stock.load import Parts

CELL_PX = 8
"""The VAE's reduction of a side."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.qwen_image.miniature import write

    write(folder, like or "qwen-image")


def _read(folder: Path) -> dict[str, Any]:
    from praxino.families.qwen_image.processor import read

    return read(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """Its guidance is `true_cfg_scale`, and is off without a negative prompt; " " stands for an empty one."""
    recipe = given.recipe
    arguments = {name: value for name, value in standard(given).items() if name != "guidance_scale"}
    arguments["true_cfg_scale"] = recipe.guidance
    if given.guided:
        arguments["negative_prompt"] = recipe.negative_prompt or " "
    if recipe.task == "instruction-editing":
        arguments["image"] = _shown(given)
    return arguments


def _shown(given: Given) -> Any:
    """The picture to edit, uncut: the pipeline brings it to the area that it knows. The references follow it."""
    roles = ("image", "reference")
    found = [frames for role in roles for frames in of_role(given.recipe, given.pictures, role)]
    shown = [Image.fromarray(frames[0]) for frames in found]
    return shown if "reference" in given.parts.variant.steering else shown[0]


def _unpack(recipe: Recipe, latents: Tensor) -> Tensor:
    """(1, h w / 4, 4 C), where each is a block of 2x2, to (1, C, h, w). Tokens of shown pictures may follow."""
    from torch.nn.functional import pixel_shuffle

    height, width = recipe.height // (2 * CELL_PX), recipe.width // (2 * CELL_PX)
    return pixel_shuffle(latents[:, : height * width].mT.reshape(1, -1, height, width), 2)


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """A video's VAE, given clips of one frame; normalised by the mean and spread of each channel."""
    mode = vae.encode(pictures[:, :, None]).latent_dist.mode()[:, :, 0]
    mean, spread = (
        mode.new_tensor(getattr(vae.config, name))[:, None, None] for name in ("latents_mean", "latents_std")
    )
    return (mode - mean) / spread


class _QwenImage(StockFamily):
    """Its reader of words also sees the pictures that it is told to edit."""

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families.qwen_image.processor import place_pictures

        parts = super().load(path, variant, dtype, device)
        place_pictures(parts.base.text_encoder)
        return parts


FAMILY: Family = _QwenImage(
    name="qwen-image",
    title="Qwen-Image",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "QwenImagePipeline",
        "image-to-image": "QwenImageImg2ImgPipeline",
        "inpainting": "QwenImageInpaintPipeline",
        "outpainting": "QwenImageInpaintPipeline",
        "text-to-image+control": "QwenImageControlNetPipeline",
        "inpainting+inpaint": "QwenImageControlNetInpaintPipeline",
        "outpainting+inpaint": "QwenImageControlNetInpaintPipeline",
    },
    text_readers=(Reader("Qwen2.5-VL", "tokenizer", 512, tasks=DRAWING.tasks),),
    refuse_lora=lambda path: check_transformer(path, "Qwen-Image"),
    classes=("QwenImagePipeline", "QwenImageEditPipeline", "QwenImageEditPlusPipeline"),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    whole=("inpainting+inpaint", "outpainting+inpaint"),
    schedulers=FLOW,
    flow=True,
    shows_references=True,
    reader=_read,
    unpack=_unpack,
    encode=_encode,
)
