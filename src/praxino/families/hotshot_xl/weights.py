"""Reading a network's weights and config out of a diffusers-style component folder. Knows no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from praxino.errors import ModelError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STEMS = ("diffusion_pytorch_model", "diffusion_pytorch_model.fp16", "model", "model.fp16")
"""Names of weight files, the exact ones before the rounded ones."""


def read_config(folder: Path) -> dict[str, Any]:
    """A component's config.

    Raises:
        ModelError: there is none, or it is not readable.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise ModelError(f"{folder} is incomplete: it has no config.json.") from problem
    except (OSError, ValueError) as problem:
        raise ModelError(f"{file} is damaged: {problem}") from problem
    return dict(config)


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """A component's tensors, in one file or in several.

    Raises:
        ModelError: there are no safetensors files, or they are damaged.
    """
    tensors: dict[str, torch.Tensor] = {}
    for file in weight_files(folder):
        tensors |= read_tensors(file)
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a component's weights.

    Raises:
        ModelError: there are none.
    """
    for stem in STEMS:
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            return sorted({folder / name for name in json.loads(index.read_text("utf-8"))["weight_map"].values()})
        if (file := folder / f"{stem}.safetensors").is_file():
            return [file]
    raise ModelError(
        f"{folder} is incomplete: it has no weights (no {STEMS[0]}.safetensors or {STEMS[2]}.safetensors)."
    )


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, mapped rather than copied. Raises ModelError when it is damaged."""
    from safetensors.torch import load_file

    with told_as_damaged(file):
        return load_file(file)


def filled(network: Any, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> Any:
    """A diffusers network of that class and config, with these weights and no others. Raises ModelError."""
    with torch.device("meta"):
        model = network.from_config(dict(config))
    try:
        model.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, assign=True)
    except RuntimeError as problem:
        raise ModelError(f"{network.__name__}: {shortened(problem)}") from problem
    return model.requires_grad_(False).eval()


def shortened(problem: Exception) -> str:
    """What went wrong, on one line."""
    return " ".join(str(problem).split())[:300]


@contextmanager
def told_as_damaged(path: Path) -> Iterator[None]:
    """Turn what libraries raise on broken files into a ModelError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as problem:
        raise ModelError(f"{path} is damaged or incomplete: {shortened(problem)}") from problem
