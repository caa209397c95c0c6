"""Owns making a data folder of a dataset of Hugging Face's `datasets`: each row's file as it is, its caption beside it.

What is downloaded, and where it is kept, is up to that library. Knows no model.
"""

from __future__ import annotations

import importlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.training.tuning.clips import CAPTION_KEYS

SAVED = "dataset_info.json"
"""What a folder has that `save_to_disk` wrote."""


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; found out where they are empty."""

    media: str = ""
    captions: str = ""


def write(source: str, split: str, columns: Columns, folder: Path) -> int:
    """Write a dataset into a new folder; how many rows.

    Args:
        source: a name of the Hub, a folder that `load_dataset` reads, or one that `save_to_disk` wrote.
        split: as the dataset names it.
        columns: of pictures or videos, and of captions.
        folder: where to; it must not be there yet.

    Raises:
        UserError: `datasets` is not installed, the dataset cannot be read or has no such columns, or the folder exists.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already; name a new folder.")
    rows = _loaded(source, split)
    media, captions = _media_column(rows, columns.media), _caption_column(rows, columns.captions)
    rows = rows.cast_column(media, type(rows.features[media])(decode=False))
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for number, row in enumerate(rows):
        _write_row(partial / f"{number:06d}", row[media], row[captions])
    partial.rename(folder)
    return len(rows)


def _loaded(source: str, split: str) -> Any:
    datasets = _library()
    try:
        if not (Path(source) / SAVED).is_file() and not (Path(source) / "dataset_dict.json").is_file():
            return datasets.load_dataset(source, split=split)
        saved = datasets.load_from_disk(source)
        return saved[split] if isinstance(saved, datasets.DatasetDict) else saved
    except (OSError, ValueError, KeyError, ImportError, datasets.exceptions.DatasetsError) as problem:
        raise UserError(f"the dataset {source}, split {split}, cannot be read: {str(problem)[:300]}") from problem


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as problem:
        raise UserError("reading a dataset needs the package datasets; run: pip install datasets") from problem


def _media_column(rows: Any, asked: str) -> str:
    datasets = _library()
    found = [name for name, kind in rows.features.items() if isinstance(kind, datasets.Image | datasets.Video)]
    if asked and asked not in found:
        raise UserError(f"{asked!r} is no column of pictures or videos; those are: {', '.join(found) or 'none'}.")
    if not found:
        raise UserError(f"no column holds pictures or videos; there are {', '.join(rows.features)}.")
    return asked or found[0]


def _caption_column(rows: Any, asked: str) -> str:
    name = asked or next((key for key in CAPTION_KEYS if key in rows.features), "")
    if name not in rows.features:
        looked = repr(asked) if asked else "/".join(CAPTION_KEYS)
        raise UserError(f"there is no column {looked} of captions among {', '.join(rows.features)}; use --captions.")
    return name


def _write_row(stem: Path, value: dict[str, Any], caption: Any) -> None:
    """One clip's bytes as they are, named as what they are, and its caption; several captions: the first."""
    content = value["bytes"] or Path(value["path"]).read_bytes()
    stem.with_suffix(_suffix(value.get("path") or "", content)).write_bytes(content)
    said = caption[0] if isinstance(caption, list) and caption else caption
    stem.with_suffix(".txt").write_text(f"{said or ''}\n", encoding="utf-8")


def _suffix(path: str, content: bytes) -> str:
    if Path(path).suffix:
        return Path(path).suffix.lower()
    from PIL import Image, UnidentifiedImageError

    try:
        return f".{str(Image.open(io.BytesIO(content)).format).lower()}"
    except UnidentifiedImageError:
        return ".mp4"
