"""How each family learns: a module each, found by its name. This one imports no torch."""

from __future__ import annotations

import pkgutil

from praxino.errors import UserError
from praxino.families import Variant

OF_MOTION_ALONE = ("hotshot-xl", "hunyuan-video-i2v")
"""Families that learn nothing from a picture."""

FROM_WORDS = ("text-to-image", "text-to-video", "image-to-video")
"""The first tasks of variants that can be fine-tuned: others are shown more than a trainee shows."""

LEARNT: dict[str, dict[str, tuple[object, ...]]] = {
    "cogvideox": {"beside": ("nothing",), "temporal_patch": (1,)},
    "flux": {"kind": ("plain",)},
    "wan": {"kind": ("words", "latent"), "boundary": (0,)},
}
"""What the options of a family's variants have to be, where its trainee does not fit all of them."""


WITH_DORA = ("ltx-video", "sd3", "sdxl", "stable-diffusion")
"""Families whose reader of LoRA files takes DoRA's magnitudes."""


def names() -> list[str]:
    """The families that can be fine-tuned."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def check(family: str) -> None:
    """Raise UserError when a family cannot be fine-tuned; names those that can."""
    if family not in names():
        raise UserError(f"{family} cannot be fine-tuned; families that can: {', '.join(names())}.")


def check_variant(family: str, variant: Variant) -> None:
    """Raise UserError when a family's trainee does not fit one of its variants."""
    if variant.tasks[0] not in FROM_WORDS:
        raise UserError(f"{variant.name} cannot be fine-tuned: it does {variant.tasks[0]}; choose one that draws.")
    for name, allowed in LEARNT.get(family, {}).items():
        if variant.options[name] not in allowed:
            raise UserError(
                f"{variant.name} cannot be fine-tuned: its {name} is {variant.options[name]}; of {family} those can "
                f"whose {name} is {' or '.join(map(str, allowed))}."
            )


def check_method(family: str, method: str) -> None:
    """Raise UserError when what a method writes could not be laid over the family's models again."""
    if method == "dora" and family not in WITH_DORA:
        raise UserError(
            f"method is 'dora', which {family} does not read back; those that do: {', '.join(WITH_DORA)}. "
            'Write method = "lora".'
        )
