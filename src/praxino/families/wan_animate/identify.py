"""Whether a Wan Animate checkpoint lies at a path, read from its configs alone. No torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from praxino.families import Variant
from praxino.families._stock.checkpoint import read_folder
from praxino.families._video_card import lay_over, read_card
from praxino.families.wan_animate.variants import FAMILY_NAME, PUBLISHED

TRANSFORMER_CLASS = "WanAnimateTransformer3DModel"


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    folder = read_folder(path)
    if folder is None or folder.component_class("transformer") != TRANSFORMER_CLASS:
        return None
    (variant,) = PUBLISHED.values()
    card = read_card(path, FAMILY_NAME)
    told = variant if card is None else lay_over(variant, card)
    num_layers = folder.config("transformer").get("num_layers", 40)
    return dataclasses.replace(told, options={**told.options, "num_layers": num_layers, "folder": str(path)})
