"""Pickled weights, rewritten as safetensors once, so that nothing pickled is read when a model runs.

They are read with torch's weights_only unpickler, which builds tensors and plain containers and calls nothing else.
"""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import _streamed
from praxino.weights.completeness import read_json
from praxino.weights.selection import PICKLES, WEIGHTS

if TYPE_CHECKING:
    import torch

PICKLED_INDEX = ".bin.index.json"
"""The end of the name of a list of pickled shards."""
_TRANSFORMERS_STEM = re.compile(r"^pytorch_model(?=$|[.-])")
_NESTED = ("state_dict", "params_ema", "params", "model", "model_state_dict", "module")
"""Under which key a trainer's file keeps the weights."""
_EMBEDDING = "string_to_param"
"""Where textual inversion's own files keep them; `emb_params` is the name for the same in safetensors files."""


def rewrite(pickled: Path, target: Path) -> None:
    """Write the tensors of a pickle file as safetensors, of which one is in memory at a time. Imports torch.

    Raises:
        UserError: it is damaged, or holds anything but tensors in plain containers.
    """
    _streamed.write(target, read(pickled))


def twin(name: str) -> str:
    """How a file is called that takes a pickled one's place, where diffusers and transformers look for it.

    pytorch_model-00001-of-00002.bin is model-00001-of-00002.safetensors, and the list of such shards is
    model.safetensors.index.json; files that are neither keep their names.
    """
    path = PurePosixPath(name)
    if path.name.endswith(PICKLED_INDEX):
        stem, extension = path.name.removesuffix(PICKLED_INDEX), f"{WEIGHTS}.index.json"
    elif path.suffix in PICKLES:
        stem, extension = path.stem, WEIGHTS
    else:
        return name
    return str(path.with_name(_TRANSFORMERS_STEM.sub("model", stem) + extension))


def rewrite_index(index: Path, target: Path) -> None:
    """Write a list of pickled shards as that of their safetensors files."""
    listed = read_json(index)
    listed["weight_map"] = {tensor: twin(shard) for tensor, shard in listed.get("weight_map", {}).items()}
    target.write_text(json.dumps(listed, indent=2), encoding="utf-8")


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a pickle file, mapped from it where it is a ZIP file, as torch has written them since 1.6.

    Raises:
        UserError: it is damaged, or holds anything but tensors in plain containers.
    """
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as problem:
        unwanted = re.search(r"GLOBAL ([\w.]+)", str(problem))
        what = f"it wants to call {unwanted[1]}" if unwanted else "it is damaged, or no file of weights"
        raise UserError(f"{path} is refused: {what}. Look for the same weights as .safetensors.") from problem
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as problem:
        raise UserError(f"{path} cannot be read as pickled weights: it is damaged, or something else.") from problem
    table = _table(found)
    tensors = {name: value for name, value in table.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise UserError(f"{path} holds no table of tensors, so there is nothing to import.")
    return tensors


def _table(found: Any) -> dict[str, Any]:
    """The innermost of the tables that trainers wrap weights in."""
    if not isinstance(found, dict):
        return {}
    if isinstance(found.get(_EMBEDDING), dict):
        return {"emb_params": next(iter(found[_EMBEDDING].values()), None)}
    for key in _NESTED:
        if isinstance(found.get(key), dict):
            return _table(found[key])
    return {str(name): value for name, value in found.items()}
