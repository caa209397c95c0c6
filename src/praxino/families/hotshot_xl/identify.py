"""Which Hotshot-XL checkpoint lies at a path, read from configs and file headers alone. No torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families.hotshot_xl.layout import Layout, read_json, read_layout
from praxino.families.hotshot_xl.variants import HOTSHOT_XL, grid
from praxino.plain import from_plain

FAMILY_NAME = "hotshot-xl"
CARD = "praxino.json"
PUBLISHED_CHANNELS = [320, 640, 1280]
"""Of SDXL's UNet."""


@dataclass(frozen=True)
class Card:
    """The fields of `praxino.json`: what a folder says about itself."""

    family: str
    variant: str
    title: str
    licence: str
    num_frames: int
    steps: int


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    layout = read_layout(path)
    if layout is None:
        return None
    if layout.temporal_file is not None:
        title = "Hotshot-XL's temporal layers, to lay over an SDXL checkpoint"
        return dataclasses.replace(HOTSHOT_XL, title=title, needs=("spatial-base",))
    config = read_json(layout.folder / "unet" / "config.json")
    if config.get("block_out_channels") == PUBLISHED_CHANNELS:
        return HOTSHOT_XL
    return _unpublished(layout, config)


def _unpublished(layout: Layout, config: dict[str, Any]) -> Variant:
    """A variant for a checkpoint of this architecture with other widths: a square of its own size."""
    vae = read_json(layout.folder / "vae" / "config.json")
    ratio = 2 ** (len(vae.get("block_out_channels", ())) - 1)
    multiple = ratio * 2 ** (len(config["block_out_channels"]) - 1)
    side = config["sample_size"] * ratio
    variant = dataclasses.replace(
        HOTSHOT_XL,
        name="hotshot-xl-custom",
        title="a Hotshot-XL of other widths",
        source="",
        licence="unknown; see where it came from",
        restrictions="",
        grid=grid(multiple, multiple),
        width=side,
        height=side,
    )
    return _with_card(variant, layout.folder)


def _with_card(variant: Variant, folder: Path) -> Variant:
    """The variant with what the folder says of itself.

    Raises:
        ModelError: its card is not readable.
    """
    told = read_json(folder / CARD)
    if not told:
        return variant
    try:
        card = from_plain(Card, told)
    except ValueError as problem:
        raise ModelError(f"{folder / CARD} is not a readable model card: {problem}") from problem
    return dataclasses.replace(
        variant,
        name=card.variant,
        title=card.title,
        licence=card.licence,
        num_frames=card.num_frames,
        steps=card.steps,
    )
