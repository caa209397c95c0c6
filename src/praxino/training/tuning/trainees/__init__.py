"""How each family learns: a module each, found by its name. This one imports no torch."""

from __future__ import annotations

import pkgutil

from praxino.errors import UserError

OF_MOTION_ALONE = ("hotshot-xl", "hunyuan-video-i2v")
"""Families that learn nothing from a picture."""


def names() -> list[str]:
    """The families that can be fine-tuned."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def check(family: str) -> None:
    """Raise UserError when a family cannot be fine-tuned; names those that can."""
    if family not in names():
        raise UserError(f"{family} cannot be fine-tuned; families that can: {', '.join(names())}.")
