"""How one job is split over several GPUs: which families can be, and how many GPUs do what. Imports no torch.

Two ways, which go together. Passes: guidance asks the denoiser two or three times a step, and each GPU answers one of
them. Context: the tokens of a pass are dealt out, and attention exchanges them, for networks of which diffusers says
how (`_cp_plan`), or `praxino.accel.dealt` does. Text encoders and the VAE are on every GPU, and each computes the same,
but for a clip that is decoded in tiles, which are dealt out (`praxino.accel.tiles`). Results differ from one GPU's by
the order of sums alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from praxino.accel.speed import COMPILE, REUSE, value_of
from praxino.accel.ways import WAYS
from praxino.errors import UserError
from praxino.recipe import Recipe

SHARES_PASSES = (
    "cogvideox", "flux", "hotshot-xl", "hunyuan-video", "hunyuan-video-i2v", "ltx-video", "mochi", "wan", "wan-animate",
)  # fmt: skip
"""Families whose loops say which passes a step has; see `praxino.families._passes`."""
SHARES_CONTEXT = ("flux", "flux2", "hunyuan-video", "hunyuan-video-i2v", "ltx-video", "qwen-image", "wan")
"""Families whose denoisers are split by tokens."""
WHOLE_KINDS = ("vace",)
"""Of their variants, what else they are: networks without a plan."""
MOST_PASSES = 2
"""GPUs that share passes: the one with perturbed blocks is made beside the text's."""


@dataclass(frozen=True)
class Split:
    """How many GPUs share what: the product is all of them."""

    passes: int
    context: int


def split_of(recipe: Recipe, count: int) -> Split:
    """How `count` GPUs, two or more, draw a recipe.

    Raises:
        UserError: they cannot.
    """
    if value_of(recipe, REUSE):
        raise UserError(
            "quality fast leaves steps out by what one GPU sees, on which several do not agree.\n"
            "Use --quality near with several GPUs, or PRAXINO_WITHOUT=reuse."
        )
    several_passes = recipe.family in SHARES_PASSES and num_passes(recipe) > 1
    if several_passes and count == MOST_PASSES:
        return Split(MOST_PASSES, 1)
    if why := _why_whole(recipe):
        fix = "use 2, for the two passes of its guidance" if several_passes else "draw it on one"
        raise UserError(f"{count} GPUs cannot share a step of {recipe.model}: {why}; {fix}.")
    return Split(MOST_PASSES, count // MOST_PASSES) if several_passes and count % 2 == 0 else Split(1, count)


def lines_of(recipe: Recipe, count: int) -> list[str]:
    """How `count` GPUs draw it, for people; nothing for one. Raises UserError as `split_of` does."""
    if count < 2:
        return []
    split = split_of(recipe, count)
    told = [f"{count} GPUs draw it: each has all of the weights, and the first writes the file"]
    if split.passes > 1:
        told.append(f"the {num_passes(recipe)} passes of a step are made at the same time, by {split.passes} of them")
    if split.context > 1:
        told.append(f"the tokens of a pass are dealt out to {split.context}, which exchange them for attention")
    told.append("where frames are decoded in tiles, the tiles are dealt out to all")
    return [*told, *notes_of(recipe)]


def num_passes(recipe: Recipe) -> int:
    """How often the denoiser is asked in a step, where it is most."""
    guided = recipe.options.get("true_guidance", 1) > 1
    of_phases = (1 + (guided or phase.scale > 1) + (phase.stg_scale > 0) for phase in recipe.guidance_phases)
    return max(of_phases, default=1 + guided)


def notes_of(recipe: Recipe) -> tuple[str, ...]:
    """What of a recipe's speed is left undone on several GPUs."""
    left = [name for name in (*WAYS, COMPILE) if value_of(recipe, name)]
    return (f"left out, as several GPUs draw this: {', '.join(left)}",) if left else ()


def _why_whole(recipe: Recipe) -> str:
    """Why the denoiser cannot be split by tokens; "" where it can."""
    if recipe.family not in SHARES_CONTEXT or recipe.options.get("kind") in WHOLE_KINDS:
        return "there is no plan for splitting its network by tokens"
    if any(companion.role.startswith("controlnet") for companion in recipe.companions):
        return "what a ControlNet adds is not split by tokens"
    return ""
