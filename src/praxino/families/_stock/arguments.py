"""What a pipeline is called with. A family's own begin with `standard` and change what differs. No torch."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from praxino.families._stock import control, reference
from praxino.families._stock.pictures import fitted, fitted_clip, of_role
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts


@dataclass(frozen=True)
class Given:
    """All that the arguments are made from."""

    recipe: Recipe
    parts: Parts
    pipeline: Any
    """The diffusers pipeline that will be called, on the run's device."""
    pictures: list[np.ndarray]
    """(F, H, W, 3) uint8, one for each of the recipe's conditions."""

    @property
    def guided(self) -> bool:
        """Whether there is a negative pass."""
        return self.recipe.guidance > 1

    def takes(self, name: str) -> bool:
        """Whether the pipeline has an argument of that name."""
        return name in inspect.signature(type(self.pipeline).__call__).parameters


def standard(given: Given) -> dict[str, Any]:
    """The arguments that most pipelines share, by the names that they share."""
    recipe = given.recipe
    arguments: dict[str, Any] = {
        "prompt": recipe.caption,
        "num_inference_steps": recipe.options["levels"],
        "guidance_scale": recipe.guidance,
        "output_type": "pil",
    }
    if given.takes("height"):
        arguments |= {"height": recipe.height, "width": recipe.width}
    if given.takes("num_frames"):
        arguments["num_frames"] = recipe.num_frames
    if given.takes("fps"):
        arguments["fps"] = round(recipe.fps)
    if given.guided and recipe.negative_prompt:
        arguments["negative_prompt"] = recipe.negative_prompt
    if recipe.sigmas:
        arguments["sigmas"] = list(recipe.sigmas)
    if (rescale := recipe.guidance_phases[0].rescale) != 1:
        arguments["guidance_rescale"] = 1 - rescale
    changed = _changed(given) | _clip(given)
    return arguments | changed | control.arguments(given) | reference.arguments(given)


def with_clip(given: Given) -> dict[str, Any]:
    """As `standard`, for pipelines whose only reader is CLIP: long and weighed prompts become embeddings."""
    from praxino.families._stock import prompt

    arguments = standard(given)
    if embedded := prompt.arguments(given):
        arguments = {name: value for name, value in arguments.items() if name not in ("prompt", "negative_prompt")}
    return arguments | embedded


def _changed(given: Given) -> dict[str, Any]:
    """The picture that is changed, its mask, and how much of it."""
    recipe = given.recipe
    size = recipe.width, recipe.height
    arguments: dict[str, Any] = {}
    for role, name in (("image", "image"), ("mask", "mask_image")):
        if given.takes(name) and (found := of_role(recipe, given.pictures, role)):
            arguments[name] = fitted(found[0], *size)
    if "strength" in recipe.options:
        arguments["strength"] = recipe.options["strength"]
    return arguments


def _clip(given: Given) -> dict[str, Any]:
    """The first and the last frame of the new clip, and the clip that is changed."""
    recipe = given.recipe
    size = recipe.width, recipe.height
    names = {0: "image", recipe.num_frames - 1: "last_image"}
    arguments: dict[str, Any] = {}
    for condition, frames in zip(recipe.conditions, given.pictures, strict=True):
        if condition.role == "video":
            arguments["video"] = fitted_clip(frames, recipe.num_frames, *size)
        elif condition.role == "frame" and condition.frame in names:
            arguments[names[condition.frame]] = fitted(frames, *size)
    return arguments
