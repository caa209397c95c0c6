"""What a model's folder lacks, told from its own lists: components of a pipeline, shards of a network. No torch."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from praxino.weights.selection import MODEL_INDEX, WEIGHTS


def missing(folder: Path, inside: str = "", patterns: tuple[str, ...] = ()) -> list[str]:
    """Paths that are not there but must be: of a pipeline in `folder`, or only of what is named.

    Args:
        folder: a repository's files.
        inside: the one file or folder in it that is wanted.
        patterns: as in "unet/*.safetensors"; each has to match a file.
    """
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if not (inside or patterns):
        return _missing_components(folder, names) + _missing_shards(folder, names)
    wanted = (inside, f"{inside}/*", *patterns) if inside else patterns
    lacking = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    if inside and not (folder / inside).exists():
        lacking.append(inside)
    scope = [name for name in names if any(fnmatchcase(name, pattern) for pattern in wanted)]
    return lacking + _missing_shards(folder, scope)


def _missing_components(folder: Path, names: list[str]) -> list[str]:
    """Of a diffusers pipeline: folders without files, and networks (they have a config.json) without weights."""
    if not any(name.endswith(WEIGHTS) for name in names):
        return [f"*{WEIGHTS}"]
    if MODEL_INDEX not in names:
        return []
    lacking = []
    for component, declared in read_json(folder / MODEL_INDEX).items():
        if not isinstance(declared, list) or declared[:1] == [None]:
            continue
        own = [name for name in names if name.startswith(f"{component}/")]
        if not own or (f"{component}/config.json" in own and not any(name.endswith(WEIGHTS) for name in own)):
            lacking.append(f"{component}/")
    return lacking


def _missing_shards(folder: Path, names: list[str]) -> list[str]:
    known, lacking = set(names), []
    for name in names:
        if name.endswith(f"{WEIGHTS}.index.json"):
            parent = name.rpartition("/")[0]
            shards = set(read_json(folder / name).get("weight_map", {}).values())
            lacking += [path for shard in sorted(shards) if (path := f"{parent}/{shard}".lstrip("/")) not in known]
    return lacking


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file; {} when it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
