"""Clips that a run follows with an in-context LoRA: edges, depth, poses, or a clip whose detail is to be drawn.

Knows the roles and the maps, not how a family lays a clip's tokens beside its own. Importing this costs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families._stock import annotate
from praxino.recipe import Companion, Condition
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

STEERING = ("control:canny", "control:depth", "control:pose", "control:detailer")
"""What the authors' in-context LoRAs follow."""
ANNOTATOR = "annotator:"
READY = "-map"


def check(request: Request, title: str, loras: Mapping[str, str]) -> None:
    """Whether what is to be followed can be. `loras` has the authors' LoRA of the family `title` for each kind.

    Raises:
        UserError: there is no LoRA for it, it cannot be made from a photo, or it is to count more than wholly.
    """
    for text in request.control:
        kind, _, rest = text.partition("=")
        if not request.lora:
            raise UserError(
                f"--control {kind}: {title} follows it with an in-context LoRA made for it; name that with --lora, "
                f"as in {loras[kind.removesuffix(READY)]}."
            )
        if not kind.endswith(READY):
            annotate.check(kind)
        scale = rest.rpartition(":")[2]
        if _is_number(scale) and float(scale) > 1:
            raise UserError(f"--control {text[:200]}: the strength is {scale}; {title} takes 0 to 1.")


def companions(request: Request) -> tuple[Companion, ...]:
    """What makes the maps that are not given ready."""
    kinds = [text.partition("=")[0] for text in request.control]
    names = [name for kind in kinds if not kind.endswith(READY) for name in annotate.NEEDED[kind]]
    roles = dict.fromkeys(ANNOTATOR + name for name in names)
    return tuple(Companion(role, annotate.MODELS[role]) for role in roles)


def is_followed(condition: Condition) -> bool:
    """Whether a condition is a clip to follow, not one to show."""
    return condition.role.startswith(("control:", "annotate:"))


@dataclass
class Annotators:
    """What makes maps, loaded when a recipe first needs it: processor and network by path and name."""

    loaded: dict[tuple[str, str], Any] = field(default_factory=dict)

    def lay(self, companions: tuple[Companion, ...], device: Any) -> None:
        """Load what the companions name and is not there, and let go of the rest.

        Raises:
            ModelError: files are damaged.
        """
        wanted = [(one.path, one.role.removeprefix(ANNOTATOR)) for one in companions if one.role.startswith(ANNOTATOR)]
        self.loaded = {key: model for key, model in self.loaded.items() if key in wanted}
        for path, name in wanted:
            if (path, name) not in self.loaded:
                from praxino.families._stock.load import damaged, quiet

                with quiet(), damaged(Path(path)):
                    self.loaded[path, name] = annotate.load(name, path, device)

    def maps(self, frames: np.ndarray, role: str) -> np.ndarray:
        """The frames (F, H, W, 3) uint8 as the maps that a condition's role asks for, of the same shape."""
        import numpy as np

        use, _, kind = role.partition(":")
        if use == "control":
            return frames
        models = {name: model for (_, name), model in self.loaded.items()}
        return np.stack([annotate.make(kind, frame, models) for frame in frames])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
