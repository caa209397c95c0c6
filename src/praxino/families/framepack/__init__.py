"""FramePack by Lvmin Zhang and Maneesh Agrawala, over HunyuanVideo. Importing this costs no torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import Family, Grid, Sampling, Shape, Variant
from praxino.families._hunyuan.template import VIDEO
from praxino.families._stock import FLOW, Given, StockFamily, standard
from praxino.families._stock.lora_names import check_layers
from praxino.families._stock.plan import HOME
from praxino.families._stock.reach import Reader
from praxino.families.framepack import parted
from praxino.families.framepack.names import layers_of
from praxino.families.framepack.variants import PUBLISHED, SECTION_FRAMES, variant_of
from praxino.request import Request

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.families._stock.load import Parts

WINDOW_FRAMES = 33
"""What the pipeline counts sections by: frames of the nine latents that are drawn at a time."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.framepack.miniature import write

    write(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """As many frames as make the pipeline draw the sections of the recipe's."""
    recipe = given.recipe
    named = standard(given)
    named.pop("negative_prompt", None)
    if (scale := recipe.options["true_guidance"]) > 1:
        named |= {"true_cfg_scale": scale, "negative_prompt": recipe.negative_prompt}
    sampling = given.parts.variant.options["sampling"]
    return {**named, "num_frames": sections(recipe.num_frames) * WINDOW_FRAMES, "sampling_type": sampling}


def _grid_of(variant: Variant) -> Grid:
    """The published sizes; a checkpoint whose card names a smaller one is drawn in about that, with a picture too."""
    if variant.width * variant.height >= min(width * height for width, height in variant.grid.buckets):
        return variant.grid
    return dataclasses.replace(variant.grid, buckets=())


def sections(num_frames: int) -> int:
    """How many sections a clip is drawn in."""
    return (num_frames - 1) // SECTION_FRAMES


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """Each picture as a clip of one frame."""
    return vae.encode(pictures[:, :, None]).latent_dist.mode()[:, :, 0] * vae.config.scaling_factor


class _FramePack(StockFamily):
    """A clip is drawn in sections, each in all steps."""

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        if parted.is_transformer(path):
            return parted.identify(path)
        found = super().identify(path)
        return found and dataclasses.replace(found, parts={}, grid=_grid_of(found))

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from torch import device as torch_device

        from praxino.families._stock.load import DTYPES, Parts, damaged, diffusers_class, quiet, settled

        if not parted.is_transformer(path):
            return super().load(path, variant, dtype, device)
        kind = diffusers_class(self.pipelines["image-to-video"])
        with quiet(), damaged(path):
            base = parted.load(path, variant, kind, DTYPES[dtype])
        return Parts(settled(base, torch_device(device)), variant, torch_device(device), DTYPES[dtype])

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample. The steps are those of all sections together."""
        if shape.num_frames <= SECTION_FRAMES:
            raise UserError(f"{variant.name} draws sections of {SECTION_FRAMES} frames; the least are 37.")
        true_guidance = request.true_guidance or 1.0
        if request.negative_prompt and true_guidance == 1:
            raise UserError(
                f"--negative changes nothing here, as {variant.name} is run without classifier-free guidance; "
                "turn it on with --true-guidance 2 (it doubles the time)."
            )
        plain = dataclasses.replace(request, negative_prompt=None)
        at_home = dataclasses.replace(variant, options={**variant.options, HOME: parted.home(variant)})
        sampling = super().plan(plain, at_home, shape, task)
        return dataclasses.replace(
            sampling,
            steps=sampling.steps * sections(shape.num_frames),
            sigmas=(),
            negative_prompt=request.negative_prompt or "",
            options={**sampling.options, "true_guidance": true_guidance},
        )


FAMILY: Family = _FramePack(
    name="framepack",
    title="FramePack",
    variants=PUBLISHED,
    pipelines={"image-to-video": "HunyuanVideoFramepackPipeline"},
    classes=("HunyuanVideoFramepackPipeline",),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers=FLOW,
    refuse_lora=lambda path: check_layers(path, "FramePack", lambda layer: bool(layers_of(layer))),
    lora_layers=layers_of,
    text_readers=(Reader("Llama 3", "tokenizer", VIDEO.crop_start + 256, VIDEO.text.partition("{}")[0]),),
    encode=_encode,
)
