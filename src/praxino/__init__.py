"""Praxino turns words and pictures into images, GIFs and videos with open generative models.

import praxino
clip = praxino.generate("a rocket flying up on a blue background", seed=7)
clip.save("rocket.gif")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Clip", "Recipe", "Request", "__version__", "generate", "generate_many", "replay"]

if TYPE_CHECKING:
    from praxino.api import Clip, generate, generate_many, replay
    from praxino.recipe import Recipe
    from praxino.request import Request

_HOMES = {"Recipe": "praxino.recipe", "Request": "praxino.request"}


def __getattr__(name: str) -> Any:
    """Import the library's parts when they are first used: the command starts faster without."""
    if name not in __all__:
        raise AttributeError(f"module 'praxino' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "praxino.api")), name)


def __dir__() -> list[str]:
    return __all__
