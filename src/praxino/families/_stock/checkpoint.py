"""What lies at a path, read from model_index.json, praxino.json, configs and file headers alone. No torch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant, _header
from praxino.plain import from_plain
from praxino.recipe import GuidancePhase

CARD = "praxino.json"
Shapes = dict[str, tuple[int, ...]]
"""Every tensor's shape by name."""


@dataclass(frozen=True)
class Card:
    """The fields of `praxino.json`: what a folder says of itself. What is left out stays as the configs have it."""

    family: str
    variant: str
    """A published variant's name, or one of its own."""
    title: str | None = None
    source: str | None = None
    licence: str | None = None
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    steps: int | None = None
    guidance: float | None = None
    restrictions: str | None = None
    gated: bool | None = None


@dataclass(frozen=True)
class Folder:
    """A folder of the diffusers layout."""

    path: Path
    index: dict[str, Any]
    """Its model_index.json."""

    @property
    def class_name(self) -> str:
        """The pipeline class that it was saved from."""
        return str(self.index.get("_class_name", ""))

    def component_class(self, name: str) -> str:
        """The class of a component, "" when there is none."""
        return (self.index.get(name) or ["", ""])[1] or ""

    def config(self, component: str) -> dict[str, Any]:
        """A component's config, {} when there is none."""
        folder = self.path / component
        names = ("config.json", "scheduler_config.json", "tokenizer_config.json")
        return next((read_json(folder / name) for name in names if (folder / name).is_file()), {})


def read_folder(path: Path) -> Folder | None:
    """The folder at a path, None when it is no diffusers folder."""
    index = read_json(path / "model_index.json")
    return Folder(path, index) if index else None


def read_card(folder: Path) -> Card | None:
    """The folder's card, None when it has none or another layout's.

    Raises:
        ModelError: it is there but not readable.
    """
    told = read_json(folder / CARD)
    known = {field.name for field in dataclasses.fields(Card)}
    if not told:
        return None
    try:
        return from_plain(Card, {key: value for key, value in told.items() if key in known})
    except ValueError as problem:
        raise ModelError(f"{folder / CARD} is not a readable model card: {problem}") from problem


def lay_over(variant: Variant, card: Card) -> Variant:
    """The variant with what the card says."""
    names = ("title", "source", "licence", "width", "height", "num_frames", "steps", "restrictions", "gated")
    given = {name: getattr(card, name) for name in names if getattr(card, name) is not None}
    if card.variant != variant.name:
        given["networks"] = {}
    if card.guidance is not None:
        given["guidance_phases"] = (GuidancePhase(start=1.0, scale=card.guidance),)
    return dataclasses.replace(variant, name=card.variant, **given)


def read_shapes(path: Path) -> Shapes | None:
    """The shapes in a safetensors file, None when it is none, or a damaged one."""
    found = _header.read(path)
    return found.shapes if found is not None and found.is_whole else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, {} when there is none."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
