"""Whether the layers of a LoRA are as wide as those of a checkpoint, by headers alone. No torch.

Networks of one family have the same names in every size (Stable Diffusion 1.5 and 2.1, LTX-Video 2B and 13B, Wan 1.3B
and 14B), so names do not tell that a LoRA was made for another. What a layer takes in does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from praxino.errors import UserError
from praxino.families import _header

_DOWN = re.compile(r"\.(?:lora_A|lora_down|lora\.down|lora_linear_layer\.down)(?:\.default)?(?:\.weight)?$")
_ELSEWHERE = re.compile(r"text_encoder|lora_te|embed")
"""Encoders may lie in other repositories; control LoRAs widen what takes the pixels in."""


def check(lora: Path, checkpoint: Iterable[Path], name: str) -> None:
    """Look at the rows that a LoRA's layers take in: some layer of the checkpoint has to be as wide as each.

    Args:
        lora: a .safetensors file whose names fit the family.
        checkpoint: the folders and files that are drawn with.
        name: the checkpoint's, for the message.

    Raises:
        UserError: it is for a checkpoint of another size.
    """
    header = _header.read(lora)
    taken = {key: shape[1] for key, shape in (header.shapes if header else {}).items() if _is_down(key, shape)}
    if not taken:
        return
    widths = {width for path in checkpoint for file in _files(path) for width in _widths(file)}
    strange = [key for key, width in taken.items() if widths and width not in widths]
    if strange:
        layer = _DOWN.sub("", strange[0])
        raise UserError(
            f"{lora} is for a checkpoint of another size: its {layer!r} takes {taken[strange[0]]} channels,\n"
            f"and no layer of {name} does ({len(strange)} of its {len(taken)} layers do not fit). "
            "Give the checkpoint that it was made for with -m."
        )


def _is_down(name: str, shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and bool(_DOWN.search(name)) and not _ELSEWHERE.search(name)


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]


def _widths(file: Path) -> set[int]:
    """What the matrices of a file take in, convolutions also as the matrices that they are."""
    header = _header.read(file)
    shapes = [shape for shape in (header.shapes if header else {}).values() if len(shape) >= 2]
    return {shape[1] for shape in shapes} | {math.prod(shape[1:]) for shape in shapes}
