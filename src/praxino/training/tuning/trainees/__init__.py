"""How each family learns: a module each, found by its name. This one imports no torch."""

from __future__ import annotations

import pkgutil

from praxino.errors import UserError
from praxino.families import Variant

OF_MOTION_ALONE = ("hotshot-xl", "hunyuan-video-i2v")
"""Families that learn nothing from a picture."""

FROM_WORDS = ("text-to-image", "text-to-video", "image-to-video")
"""The first tasks of variants that can be fine-tuned: others are shown more than a trainee shows."""

KINDS = {"flux": ("plain",), "wan": ("words", "latent")}
"""What `options["kind"]` may be of a family's variants."""


def names() -> list[str]:
    """The families that can be fine-tuned."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def check(family: str) -> None:
    """Raise UserError when a family cannot be fine-tuned; names those that can."""
    if family not in names():
        raise UserError(f"{family} cannot be fine-tuned; families that can: {', '.join(names())}.")


def check_variant(family: str, variant: Variant) -> None:
    """Raise UserError when a family's trainee does not fit one of its variants."""
    kinds = KINDS.get(family)
    if variant.tasks[0] not in FROM_WORDS or (kinds and variant.options.get("kind") not in kinds):
        raise UserError(f"{variant.name} cannot be fine-tuned: it is shown more than words; choose one that is not.")
    if variant.options.get("boundary"):
        raise UserError(f"{variant.name} cannot be fine-tuned: it is two networks; choose a variant that is one.")
