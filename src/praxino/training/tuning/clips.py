"""Owns finding a data folder's clips and captions, and saying line by line what will be used and what will not.

Three layouts: `metadata.jsonl` (file_name and caption, or their aliases), media files with a `.txt` of the same stem,
and folders of numbered frames with a `prompt.txt` (Hotshot-XL's). Beside a clip may lie its reference, which is shown
to the model, and its mask, whose white is learnt. Knows no model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from praxino import media
from praxino.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".apng")
VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".gifv")
MEDIA = (*PICTURES, *VIDEOS)
FILE_KEYS = ("file_name", "video", "image", "file", "path")
CAPTION_KEYS = ("caption", "text", "prompt", "captions")
BESIDE_KEYS = {"reference": ("reference", "reference_path"), "mask": ("mask", "mask_path")}
"""Lightricks' trainer has `reference_path` too. Files beside a clip a.mp4 are a.reference.mp4 and a.mask.png."""
NO_CLIPS = (".txt", ".md", ".json", ".jsonl", ".toml", ".csv", ".db", ".ini")
"""What lies in data folders and was never meant to be a clip; captions without one are told apart."""
TEXT = "utf-8-sig"
"""UTF-8, with or without the mark that Windows' editors begin it with."""
HOTSHOT_CAPTION = "prompt.txt"
HOTSHOT_FPS = 8.0
Named = tuple[Path, str, dict[str, Path]]
"""A clip, its caption, and what lies beside it."""


@dataclass(frozen=True)
class Clip:
    """One clip or picture with its caption."""

    path: Path
    """A file, or a folder of numbered frames."""
    caption: str
    beside: Mapping[str, Path] = field(default_factory=dict)
    """Its "reference" and its "mask", those that it has."""

    @property
    def name(self) -> str:
        """How reports call it."""
        return self.path.name

    def read(self) -> tuple[np.ndarray, float]:
        """(F, H, W, 3) uint8 RGB and frames per second. Raises UserError as `media.read_clip`."""
        return read(self.path)


def read(path: Path) -> tuple[np.ndarray, float]:
    """A file or a folder of frames: (F, H, W, 3) uint8 RGB and frames per second. Raises as `media.read_clip`."""
    if path.is_dir():
        frames = [media.read_picture(frame)[0] for frame in _numbered(path)]
        if len({frame.shape for frame in frames}) > 1:
            raise UserError(f"{path} has frames of several sizes; make them alike.")
        return np.stack(frames), HOTSHOT_FPS
    return media.read_clip(path)


@dataclass
class Found:
    """What a data folder holds."""

    clips: list[Clip] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """A line for each thing that will not be used, and why."""


def find(folder: Path) -> Found:
    """Look through a data folder. Opens captions, but no picture.

    Raises:
        UserError: there is no such folder, or nothing in it is media.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; data is a folder of clips with their captions.")
    found = Found()
    metadata = folder / "metadata.jsonl"
    entries = _listed(metadata, found) if metadata.exists() else _stems(folder, found)
    seen: dict[Path, str] = {}
    for path, caption, beside in entries:
        if path in seen:
            found.problems.append(f"{path.name}: named twice; the first caption is used")
        elif not caption.strip():
            found.problems.append(f"{path.name}: its caption is empty")
        else:
            seen[path] = caption
            found.clips.append(Clip(path, " ".join(caption.split()), beside))
    if not found.clips and not found.problems:
        raise UserError(
            f"{folder} holds no clips: put GIFs, videos or pictures there, each with a .txt of the same name "
            "as its caption, or a metadata.jsonl."
        )
    return found


def _listed(metadata: Path, found: Found) -> Iterator[Named]:
    """What a metadata.jsonl names."""
    try:
        lines = metadata.read_text(encoding=TEXT).splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{metadata} is not UTF-8; save it in that encoding.") from None
    named: set[Path] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"metadata.jsonl line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as problem:
            found.problems.append(f"{where}: not JSON ({problem.msg})")
            continue
        name, caption = _first(row, FILE_KEYS), _first(row, CAPTION_KEYS)
        names = {use: given for use, keys in BESIDE_KEYS.items() if (given := _first(row, keys)) is not None}
        paths = {use: (metadata.parent / given).resolve() for use, given in {"": name or "", **names}.items()}
        named.update(paths.values())
        if name is None or caption is None:
            missing = "file_name" if name is None else "caption"
            found.problems.append(f"{where}: has no {missing}")
            continue
        if outside := [given for given in paths.values() if not given.is_relative_to(metadata.parent.resolve())]:
            found.problems.append(f"{where}: {outside[0].name} lies outside of the folder")
        elif missing := [given for given in paths.values() if not given.exists()]:
            found.problems.append(f"{where}: there is no file {missing[0].name}")
        else:
            yield paths.pop(""), caption, paths
    found.problems += _unlisted(metadata.parent.resolve(), named - {metadata.parent.resolve()})


def _unlisted(folder: Path, named: set[Path]) -> Iterator[str]:
    """A line for each clip, at any depth, that no line of a metadata.jsonl names."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix.lower() not in MEDIA or any(part.startswith(".") for part in inner.parts):
            continue
        if named.isdisjoint((path.resolve(), *path.resolve().parents)):
            yield f"{inner.as_posix()}: no line of metadata.jsonl names it"


def _first(row: Any, keys: tuple[str, ...]) -> str | None:
    if not isinstance(row, dict):
        return None
    value = next((row[key] for key in keys if key in row), None)
    return value if isinstance(value, str) else None


def uncaptioned(folder: Path) -> list[tuple[Clip, Path]]:
    """The clips of a folder that have no caption yet, and the file where each one's is looked for.

    Raises:
        UserError: there is no such folder, or its captions are in a metadata.jsonl.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; name one of clips.")
    if (folder / "metadata.jsonl").exists():
        raise UserError(f"{folder} has its captions in metadata.jsonl; add the missing ones there.")
    return [(Clip(path, ""), caption) for path, caption in _places(folder, Found()) if not caption.exists()]


def _stems(folder: Path, found: Found) -> Iterator[Named]:
    """Media files with captions beside them, and folders of frames."""
    beside, stems = _beside(folder), set[str]()
    for path, caption in _places(folder, found):
        stems.add(path.stem)
        yield from _captioned(path, caption, beside, found)
    found.problems += _left_over(folder, stems)


def _left_over(folder: Path, stems: set[str]) -> Iterator[str]:
    """A line for each thing in a folder that may have been meant for a clip, and is none and beside none."""
    for path in sorted(folder.iterdir()):
        kind, (stem, use) = path.suffix.lower(), (Path(path.stem).stem, Path(path.stem).suffix[1:])
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not _numbered(path) and any(inner.suffix.lower() in MEDIA for inner in path.rglob("*")):
                yield f"{path.name}: a folder within; give it as data by itself, or name its clips in a metadata.jsonl"
        elif kind == ".txt" and path.stem not in stems:
            yield f"{path.name}: there is no clip {path.stem} that it could be the caption of"
        elif kind in MEDIA and use in BESIDE_KEYS and stem not in stems:
            yield f"{path.name}: there is no clip {stem} that it could be the {use} of"
        elif kind not in (*MEDIA, *NO_CLIPS):
            yield f"{path.name}: is no kind of file that is read; a GIF, WebP, PNG, JPEG, MP4 or WebM is"


def _places(folder: Path, found: Found) -> Iterator[tuple[Path, Path]]:
    """Each clip, and where its caption is looked for."""
    captioned: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if _numbered(path):
                yield path, path / HOTSHOT_CAPTION
            continue
        if path.suffix.lower() not in MEDIA or Path(path.stem).suffix[1:] in BESIDE_KEYS:
            continue
        other = captioned.setdefault(path.stem, path)
        if other != path:
            found.problems.append(f"{path.name}: has the same name as {other.name}, and they would share a caption")
            continue
        yield path, path.with_suffix(".txt")


def _beside(folder: Path) -> dict[str, dict[str, Path]]:
    """References and masks by the stems of their clips: that of a.mp4, and of a folder a, is a.mask.png."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        stem, use = Path(path.stem).stem, Path(path.stem).suffix[1:]
        if path.suffix.lower() in MEDIA and use in BESIDE_KEYS:
            found.setdefault(stem, {})[use] = path.resolve()
    return found


def _captioned(path: Path, caption: Path, beside: dict[str, dict[str, Path]], found: Found) -> Iterator[Named]:
    try:
        yield path.resolve(), caption.read_text(encoding=TEXT), beside.get(path.stem, {})
    except FileNotFoundError:
        found.problems.append(f"{path.name}: has no caption; write one into {caption.relative_to(path.parent)}")
    except UnicodeDecodeError:
        found.problems.append(f"{path.name}: its caption {caption.name} is not UTF-8; save it in that encoding")


def _numbered(folder: Path) -> list[Path]:
    """The frames of a folder, by their numbers: 2.jpg comes before 10.jpg."""
    frames = [
        (int(number[1]), path)
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and (number := re.search(r"(\d+)$", path.stem))
    ]
    return [path for _, path in sorted(frames)]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    parts = [(str(inner.relative_to(path)), digest_of(inner)) for inner in sorted(path.rglob("*")) if inner.is_file()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
