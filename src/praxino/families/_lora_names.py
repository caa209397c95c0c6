"""Whether every tensor of a LoRA file has its place: a file is laid over whole, or refused by its header. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from praxino.errors import UserError
from praxino.families._stock.checkpoint import Shapes, read_shapes
from praxino.families._stock.lora_names import looks_like

FACTORS = ("hada_", "lokr_")
"""How LyCORIS' names of LoHa's and LoKr's tensors begin."""
SHOWN = 3
"""How many unknown tensors an error names."""


class Placed(Protocol):
    """What a family knows of one tensor."""

    @property
    def role(self) -> str:
        """A, B, alpha, LyCORIS' names, or what else the family knows."""
        ...


def shapes_of(path: Path) -> Shapes:
    """The shapes of a file's tensors by name. Raises UserError when it is no safetensors file."""
    shapes = read_shapes(path)
    if shapes is None:
        raise UserError(f"{path} is not a readable .safetensors file; give a LoRA in that format.")
    return shapes


Piece = TypeVar("Piece", bound=Placed)


def all_placed(found: Mapping[str, Piece | None], title: str, path: Path) -> dict[str, Piece]:
    """What was found of each tensor, None where nothing was.

    Raises:
        UserError: a tensor has no place in the family `title` (the message has the first of them, and what they look
            like), or none is a LoRA's.
    """
    unknown = [name for name, piece in found.items() if piece is None]
    if unknown:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        looks = looks_like(unknown)
        raise UserError(
            f"{path} is no LoRA for {title}: {len(unknown)} of its {len(found)} tensors belong to no layer of it:\n"
            f"{', '.join(unknown[:SHOWN])}{more}" + (f"\nIt looks like one for {looks}." if looks else "")
        )
    pieces = {name: piece for name, piece in found.items() if piece is not None}
    if not any(piece.role == "A" or piece.role.startswith(FACTORS) for piece in pieces.values()):
        raise UserError(f"{path} is no LoRA: it holds no lora_A (lora_down) weights.")
    return pieces
