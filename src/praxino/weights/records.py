"""What is known of each thing that was imported: a small JSON file beside it, in PRAXINO_HOME/models."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from praxino import settings
from praxino.errors import ModelError
from praxino.plain import from_plain, to_plain

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
"""What an import can be called."""
_SUFFIX = ".import.json"


@dataclass(frozen=True)
class Record:
    """One imported model, LoRA or part of a model."""

    name: str
    kind: Literal["model", "lora", "part"]
    """A part is what works only beside a model: a ControlNet, an annotator, an embedding, a text encoder."""
    about: str
    """What it was recognised as, in a few words."""
    origin: str
    """The file or folder that it was copied from."""
    files: dict[str, str]
    """SHA-256 by path inside it; the path of a single file is its name."""


def models_folder() -> Path:
    """Where imported models are kept, one file or folder each."""
    return settings.home() / "models"


def record_path(name: str) -> Path:
    """Where the record of a name is, there or not."""
    return models_folder() / f"{name}{_SUFFIX}"


def read(name: str) -> Record | None:
    """The record of a name; None when nothing of that name was imported.

    Raises:
        ModelError: it is damaged.
    """
    if not NAME.fullmatch(name):
        return None
    path = record_path(name)
    try:
        return from_plain(Record, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise ModelError(f"{path} is damaged ({problem}); delete it, and import {name} again.") from problem


def every() -> list[Record]:
    """All records, by name."""
    names = sorted(path.name.removesuffix(_SUFFIX) for path in models_folder().glob(f"*{_SUFFIX}"))
    return [record for name in names if (record := read(name)) is not None]


def write(record: Record) -> None:
    """Keep a record, whole or not at all."""
    path = record_path(record.name)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(to_plain(record), indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(fresh, path)


def kept(name: str) -> Path | None:
    """The file or folder that is kept under a name; None when there is none."""
    if not NAME.fullmatch(name):
        return None
    folder = models_folder()
    return next((path for path in (folder / name, folder / f"{name}.safetensors") if path.exists()), None)
