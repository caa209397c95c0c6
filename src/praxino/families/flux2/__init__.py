"""FLUX.2 [klein] and [dev] by Black Forest Labs. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import Family, Sampling, Shape, Variant
from praxino.families._stock import FLOW, Given, Reader, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families._stock.pictures import fitted, of_role
from praxino.families.flux2.variants import KLEIN_KV, PUBLISHED, variant_of
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    from torch import Tensor


SMALLEST_PX = 64
"""The shortest side of a picture that the pipeline takes."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.flux2.miniature import write

    write(folder, like or "flux2-klein-base")


def _read(folder: Path) -> dict[str, Any]:
    from praxino.families.flux2.words import read

    return read(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """The picture to edit and the references are one list to it; their weights cannot differ."""
    recipe = given.recipe
    arguments = standard(given)
    roles = ("image", "reference") if recipe.task == "instruction-editing" else ("reference",)
    shown = [frames for role in roles for frames in of_role(recipe, given.pictures, role)]
    name = "image_reference" if given.takes("image_reference") else "image"
    if not given.takes("guidance_scale"):
        del arguments["guidance_scale"]
    if shown:
        arguments[name] = [fitted(frames, *_size(frames.shape[2], frames.shape[1])) for frames in shown]
    return arguments


def _size(width: int, height: int) -> tuple[int, int]:
    """The nearest multiples of 16 below, as the pipeline would cut to; small pictures grow to what it takes."""
    grown = max(1.0, SMALLEST_PX / min(width, height))
    return int(width * grown) // 16 * 16, int(height * grown) // 16 * 16


def _unpack(recipe: Recipe, latents: Tensor) -> Tensor:
    """(1, h w, C) to (1, C, h, w). Tokens of shown pictures may follow."""
    height, width = recipe.height // 16, recipe.width // 16
    return latents[:, : height * width].mT.reshape(1, -1, height, width)


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """Blocks of 2x2 latents as one, normalised as the VAE's batch norm has learnt."""
    from torch.nn.functional import pixel_unshuffle

    blocks = pixel_unshuffle(vae.encode(pictures).latent_dist.mode(), 2)
    mean, variance = vae.bn.running_mean[:, None, None], vae.bn.running_var[:, None, None]
    return (blocks - mean) / (variance + vae.config.batch_norm_eps).sqrt()


class _Flux2(StockFamily):
    """[dev] has its guidance told, as a number, and makes one pass; [klein] KV knows none."""

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        if request.negative_prompt and "pipelines" in variant.options:
            raise UserError(f"--negative changes nothing in {variant.name}, whose guidance is distilled; leave it out.")
        if request.guidance not in (None, 1.0) and KLEIN_KV.options["pipelines"] == variant.options.get("pipelines"):
            raise UserError(f"--guidance: {variant.name} is run without; leave it out.")
        return super().plan(request, variant, shape, task)


FAMILY: Family = _Flux2(
    name="flux2",
    title="FLUX.2",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "Flux2KleinPipeline",
        "instruction-editing": "Flux2KleinPipeline",
        "inpainting": "Flux2KleinInpaintPipeline",
        "outpainting": "Flux2KleinInpaintPipeline",
    },
    text_readers=(Reader("Qwen3", "tokenizer", 512, "<|im_start|>user\n"),),
    refuse_lora=lambda path: check_transformer(path, "FLUX.2"),
    classes=("Flux2KleinPipeline", "Flux2KleinKVPipeline", "Flux2Pipeline"),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers=FLOW,
    flow=True,
    shows_references=True,
    reader=_read,
    unpack=_unpack,
    encode=_encode,
)
