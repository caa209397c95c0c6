"""The header of a safetensors file: names and shapes, without its tensors. No torch."""

from __future__ import annotations

from pathlib import Path

Shapes = dict[str, tuple[int, ...]]


def read_shapes(path: Path) -> Shapes | None:
    """Every tensor's shape by name, or None when the file is no safetensors file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None
