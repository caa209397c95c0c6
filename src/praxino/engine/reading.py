"""When a run's text encoders are read: as late as can be, not at all where their answers are kept on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from praxino import settings
from praxino.accel.plan import Plan
from praxino.accel.speed import ANSWERS
from praxino.families import Variant
from praxino.recipe import Recipe

EMBEDDING = "embedding:"
"""The role of companions that are laid over text encoders; LoRAs may be."""


def late(variant: Variant) -> Any:
    """While it holds, encoders that are loaded wait. Those of a small vocabulary are read sooner than looked up."""
    if not _is_on(variant):
        return nullcontext()
    from praxino.accel.encoders import read_later

    return read_later()


def ready(parts: Any, recipe: Recipe, plan: Plan) -> None:
    """Read what something will be laid over, or moved layer by layer."""
    if _as_loaded(recipe) and plan.placement != "group":
        return
    from praxino.accel.encoders import read_now

    read_now(parts)


@contextmanager
def answering(parts: Any, recipe: Recipe, variant: Variant) -> Iterator[None]:
    """While it holds, answers of encoders are looked up and kept, where nothing is laid over their weights."""
    if not _is_on(variant) or not _as_loaded(recipe):
        yield
        return
    from praxino.accel.answers import Answers
    from praxino.accel.encoders import asking

    with asking(parts, Answers(settings.answers_folder(), settings.answers_bytes())):
        yield


def _is_on(variant: Variant) -> bool:
    return not variant.vocabulary and settings.answers_bytes() > 0 and ANSWERS not in settings.without()


def _as_loaded(recipe: Recipe) -> bool:
    return not recipe.loras and not any(companion.role.startswith(EMBEDDING) for companion in recipe.companions)
