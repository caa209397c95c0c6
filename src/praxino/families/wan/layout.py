"""Where a checkpoint's files lie: folders of diffusers, and those and single files of the authors. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.families._stock.checkpoint import Shapes, read_json, read_shapes
from praxino.families.wan.convert import is_original

EXPERTS = ("high_noise_model", "low_noise_model")
"""The authors' folders of Wan 2.2's two transformers."""


@dataclass(frozen=True)
class Original:
    """A transformer in the authors' naming."""

    files: tuple[Path, ...]
    config: dict[str, Any]
    """Its config.json, {} when there is none."""

    def shapes(self) -> Shapes:
        """Every tensor's shape, from the headers alone."""
        return {name: shape for file in self.files for name, shape in (read_shapes(file) or {}).items()}


def originals(path: Path) -> tuple[Original, ...]:
    """The transformers at a path, by falling noise: a file, a folder of files, or one of two folders."""
    folders = [path / name for name in EXPERTS if (path / name).is_dir()]
    found = [_original(folder) for folder in folders] if len(folders) == len(EXPERTS) else [_original(path)]
    return () if None in found else tuple(one for one in found if one is not None)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a network: those of its index, else the only ones there are, in full precision."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
        return tuple(folder / name for name in names)
    files = sorted(folder.glob("*.safetensors"))
    return tuple([file for file in files if ".fp16." not in file.name] or files)


def _original(path: Path) -> Original | None:
    if path.is_file():
        found = Original((path,), read_json(path.parent / "config.json"))
        return found if is_original(read_shapes(path)) else None
    if not path.is_dir():
        return None
    config = read_json(path / "config.json")
    if any(path.glob("*.safetensors.index.json")):
        whole = Original(weight_files(path), config)
        return whole if is_original(whole.shapes()) else None
    alone = [file for file in sorted(path.glob("*.safetensors")) if is_original(read_shapes(file))]
    return Original((alone[0],), config) if len(alone) == 1 else None
