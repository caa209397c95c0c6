"""AnimateDiff: motion adapters over Stable Diffusion 1.5 and SDXL. Importing this costs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import Family, Sampling, Shape, Variant
from praxino.families._stock import Given, StockFamily, with_clip
from praxino.families._stock.lora_names import check_unet
from praxino.families.animatediff import base, windows
from praxino.families.animatediff.variants import (
    FRAMES,
    MOTION_LORA,
    PUBLISHED,
    SPARSE,
    SPARSE_PIPELINE,
    SPATIAL_BASE,
    XL_PIPELINES,
    adapter_at,
    variant_of,
    variant_of_adapter,
)
from praxino.recipe import Companion, Lora, Recipe
from praxino.request import Request

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts

TEXT_WIDTHS = (768, 2048)
"""Of the UNets: what LoRAs for Stable Diffusion 1 and SDXL read."""
LONG_PIPELINES = "praxino.families.animatediff.pipelines:{}"
LONG_NOTE = (
    f"{{}} frames are drawn in windows of {windows.CONTEXT_FRAMES}, {windows.STRIDE_FRAMES} apart, over one shuffled "
    "noise (FreeNoise)"
)


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.animatediff.miniature import write

    write(folder, like or "animatediff-1.5-3")


def _arguments(given: Given) -> dict[str, Any]:
    from praxino.families.animatediff import sparse

    arguments = with_clip(given)
    if sparse.network(given.parts, given.recipe) is None:
        return arguments
    named = {name: value for name, value in arguments.items() if name not in ("image", "last_image")}
    return named | sparse.arguments(given)


class _AnimateDiff(StockFamily):
    """A checkpoint is an adapter, which is laid over an image checkpoint; or both, as a pipeline's folder."""

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        found = adapter_at(path)
        return super().identify(path) if found is None else variant_of_adapter(found)

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        _check(request, variant, task, shape.num_frames)
        sampling = super().plan(request, variant, shape, task)
        long = windows.planned(shape.num_frames, variant)
        scales = {**variant.options["motion_loras"], **dict.fromkeys(_moves(request, variant), 1.0)}
        return dataclasses.replace(
            sampling,
            options={**sampling.options, **({"motion_loras": scales} if scales else {}), **long},
            companions=(*sampling.companions, *_companions(request, variant, task, scales)),
            notes=(*sampling.notes, *((LONG_NOTE.format(shape.num_frames),) if long else ())),
        )

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the adapter; what it is laid over is known when a recipe is."""
        if adapter_at(path) is None:
            return super().load(path, variant, dtype, device)
        import torch

        from praxino.families._stock.load import DTYPES, Parts
        from praxino.families.animatediff.adapter import load

        adapter = load(path, DTYPES[dtype]).requires_grad_(False).eval()
        return Parts(None, variant, torch.device(device), DTYPES[dtype], {base.ADAPTER: adapter})

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Put the recipe's base, LoRAs and companions on the networks, in place of any before."""
        base.lay_over(parts, recipe)
        windows.lay(parts.base.unet, recipe)
        return super().equip(parts, dataclasses.replace(recipe, loras=(*_motion_loras(recipe), *recipe.loras)))

    def pipeline_name(self, recipe: Recipe, parts: Parts) -> str:
        """The class that draws a recipe."""
        from praxino.families.animatediff import sparse

        if sparse.network(parts, recipe) is not None:
            return SPARSE_PIPELINE
        name = super().pipeline_name(recipe, parts)
        return LONG_PIPELINES.format(windows.PIPELINES[name]) if windows.FREE_NOISE in recipe.options else name

    def components(self, parts: Parts, recipe: Recipe) -> dict[str, Any]:
        """What its pipeline needs besides the checkpoint's own networks."""
        from praxino.families.animatediff import sparse

        found = sparse.network(parts, recipe)
        return super().components(parts, recipe) if found is None else {"controlnet": found}


def _check(request: Request, variant: Variant, task: str, num_frames: int) -> None:
    kinds = [text.partition("=")[0].removesuffix("-map") for text in request.control]
    if num_frames > variant.options["positions"] and ("scribble" in kinds or task == "image-to-video"):
        raise UserError(
            f"{num_frames} frames: SparseCtrl draws at most {variant.options['positions']} at once; ask for less."
        )
    if "scribble" in kinds and (len(kinds) > 1 or task != "text-to-video"):
        raise UserError("--control scribble: SparseCtrl draws from words through its scribbles, and follows no other.")
    if task == "image-to-video" and request.strength is not None and request.keyframes:
        raise UserError("--strength: SparseCtrl holds all frames alike; leave it out beside --keyframe.")
    if any(":" in text.rpartition("@")[2] for text in request.keyframes):
        raise UserError(f"--keyframe {request.keyframes[0][:200]}: SparseCtrl holds all frames alike; leave out :N.")
    if request.spatial_base:
        path = Path(request.spatial_base).expanduser()
        with suppress(OSError):  # a name that is none of a file
            if path.exists():
                base.check(path, variant.options["base"])


def _moves(request: Request, variant: Variant) -> list[str]:
    """The camera's words that a motion LoRA stands for. Without one it is left to itself, which is nearly static."""
    if not variant.options["camera"]:
        return []
    if "static" in request.camera and len(request.camera) > 1:
        raise UserError(f"--camera static moves nothing; leave it out beside {request.camera[0]}.")
    return list(dict.fromkeys(word for word in request.camera if word in variant.options["camera"]))


def _companions(request: Request, variant: Variant, task: str, scales: dict[str, float]) -> Iterator[Companion]:
    own = variant.options["companions"]
    if SPATIAL_BASE in own:
        yield Companion(SPATIAL_BASE, request.spatial_base or own[SPATIAL_BASE])
    for name in scales:
        path = variant.options["camera"].get(name) or own[MOTION_LORA + name]
        yield Companion(MOTION_LORA + name, path)
    if task == "image-to-video" and FRAMES in own:
        yield Companion(FRAMES, own[FRAMES])


def _motion_loras(recipe: Recipe) -> Iterator[Lora]:
    scales = recipe.options.get("motion_loras", {})
    for companion in recipe.companions:
        if companion.role.startswith(MOTION_LORA):
            name = companion.role.removeprefix(MOTION_LORA)
            yield Lora(str(_weights(Path(companion.path))), scales[name], companion.sha256)


def _weights(path: Path) -> Path:
    """A LoRA's file: itself, or the one in a repository's folder that is not a copy in half precision."""
    if path.is_file():
        return path
    files = sorted(path.glob("*.safetensors"), key=lambda file: (".fp16." in file.name, file.name))
    return files[0] if files else path / "diffusion_pytorch_model.safetensors"


FAMILY: Family = _AnimateDiff(
    name="animatediff",
    title="AnimateDiff",
    variants=PUBLISHED,
    pipelines={
        "text-to-video": "AnimateDiffPipeline",
        "image-to-video": SPARSE_PIPELINE,
        "video-to-video": "AnimateDiffVideoToVideoPipeline",
        "text-to-video+control": "AnimateDiffControlNetPipeline",
        "video-to-video+control": "AnimateDiffVideoToVideoControlNetPipeline",
    },
    classes=("AnimateDiffPipeline", SPARSE, *XL_PIPELINES.values()),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    refuse_lora=lambda path: check_unet(path, "AnimateDiff", TEXT_WIDTHS),
)
