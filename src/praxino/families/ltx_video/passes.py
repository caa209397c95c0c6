"""The passes of a recipe: one, or a small one and one over its upsampled latents. Knows the loop's numbers alone."""

from __future__ import annotations

from dataclasses import dataclass

from praxino.families import LoopState
from praxino.families._guider import guider_of
from praxino.families.ltx_video import loop
from praxino.families.ltx_video.positions import Shape, latent_shape
from praxino.families.ltx_video.refine import FACTOR
from praxino.families.ltx_video.settings import from_options
from praxino.recipe import GuidancePhase, Recipe


@dataclass(frozen=True)
class Pass:
    """One denoising loop of a recipe."""

    width: int
    height: int
    steps_before: int
    """Steps of the passes before it."""
    shape: Shape
    """Of its latents."""
    plan: loop.Plan

    @property
    def last_step(self) -> int:
        """The recipe's step that it ends with."""
        return self.steps_before + len(self.plan.sigmas)


def passes_of(recipe: Recipe) -> tuple[Pass, ...]:
    """The recipe's passes, in order."""
    refined = from_options(recipe.options).refinement
    if refined is None:
        return (_pass(recipe, (recipe.width, recipe.height), 0, recipe.sigmas, recipe.guidance_phases),)
    first, larger = refined.first_steps, (FACTOR * refined.first_width, FACTOR * refined.first_height)
    return (
        _pass(
            recipe, (refined.first_width, refined.first_height), 0, recipe.sigmas[:first], recipe.guidance_phases
        ),
        _pass(recipe, larger, first, recipe.sigmas[first:], refined.guidance_phases),
    )  # fmt: skip


def pass_of(recipe: Recipe, state: LoopState) -> Pass:
    """The pass that a state was reached in."""
    return next(one for one in passes_of(recipe) if state.step <= one.last_step)


def final_size(recipe: Recipe) -> tuple[int, int]:
    """Width and height of the frames in the end."""
    width, height = recipe.upscale or (recipe.width, recipe.height)
    return width, height


def _pass(
    recipe: Recipe,
    size: tuple[int, int],
    steps_before: int,
    sigmas: tuple[float, ...],
    phases: tuple[GuidancePhase, ...],
) -> Pass:
    settings = from_options(recipe.options)
    plan = loop.Plan(
        sigmas=sigmas,
        phases=phases,
        guider=guider_of(recipe),
        stg_mode=recipe.stg_mode,
        scheduler=recipe.scheduler,
        image_noise=settings.image_noise,
    )
    return Pass(*size, steps_before, latent_shape(settings, *size, recipe.num_frames), plan)
