"""A Request from outside, made safe: its pictures become files that were looked at, its models installed names.

Knows no HTTP and no queue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import UserError
from praxino.picture_names import PARTED, WHOLE, scaled_name, with_pictures
from praxino.request import Request, options
from praxino.server.inputs import Inputs, Upload
from praxino.weights import catalog

COMPANIONS = ("controlnet", "embedding", "ip_adapter", "lora", "spatial_base")
"""Fields that name other weights, which the engine finds where it finds models."""
HARMLESS = frozenset(
    "prompt model negative_prompt expand reference_use extend strength size frames seconds fps steps guidance "
    "true_guidance rescale cfg_star stg stg_blocks stg_mode scheduler schedule sigmas seed n lora_blocks dtype format "
    "gif lossy_quality codec loop grid sheet style brand_colour transparent matting motion motion_strength camera "
    "sound upscale guider join rewrite quality".split()
)
"""Fields that name no file (a model is checked to be an installed one). Any that is new is refused until it is here."""
_NAME = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*){0,3}(@\w[\w.+-]*)?", re.ASCII)
"""An import, or a Hub repository: owner/name, perhaps with a folder and @revision."""


@dataclass(frozen=True)
class Wish:
    """A request twice: for the engine, and for the record."""

    local: Request
    """Its pictures are paths on this machine."""
    told: Request
    """Its pictures are ids of uploads: it can be sent again."""
    said: tuple[tuple[str, str], ...]
    """Paths of this machine, and what messages call them instead."""

    def reword(self, message: str) -> str:
        """A message without this machine's paths."""
        for path, said in self.said:
            message = message.replace(f"--{said} {path}", said).replace(path, said)
        return message


def make_safe(request: Request, owner: str, inputs: Inputs) -> Wish:
    """Take in a request's pictures, and check what else it names.

    Raises:
        UserError: a picture cannot be had or read, or a model, LoRA or companion is not named like an installed one.
    """
    check_fields(request)
    check_models(request)
    taken: dict[str, Upload] = {}
    said: list[tuple[str, str]] = []

    def take(text: str, field: str) -> str:
        taken[field] = inputs.take(owner, text, field)
        path = str(inputs.path(taken[field]))
        said.append((path, field))
        return path

    local = with_pictures(request, take)
    told = with_pictures(request, lambda _, field: taken[field].id)
    return Wish(local, told, tuple(said))


def check_fields(request: Request) -> None:
    """Refuse fields that nobody has found harmless, or made so. Raises UserError."""
    known = {*HARMLESS, *WHOLE, *PARTED, *COMPANIONS}
    for name in options():
        if name not in known and getattr(request, name) != Request.__dataclass_fields__[name].default:
            raise UserError(f"{name} cannot be sent to a server; leave it out.")
    if request.style and "#" in request.style:
        raise UserError("style is one of a file; only those that are on this server, by their names, can be asked for.")


def check_models(request: Request) -> None:
    """Refuse a model, LoRA or companion that is not installed under that name. Raises UserError."""
    installed = [entry.name for entry in catalog.entries() if entry.path is not None]
    if request.model not in installed and not _is_installed(request.model):
        told = ", ".join(installed)
        raise UserError(f"the model {request.model[:100]!r} is not on this server; installed are {told}.")
    for field in COMPANIONS:
        named = getattr(request, field) or ()
        for text in (named,) if isinstance(named, str) else named:
            name = _bare_name(field, text)
            if not _is_installed(name):
                raise UserError(f"{field} is {name[:100]!r}, which is not on this server; no path can be named.")


def _bare_name(field: str, text: str) -> str:
    """A companion's name without the number or token after it."""
    if field == "lora":
        return scaled_name(text)[1]
    return text.partition(":")[0] if field == "embedding" else text


def _is_installed(name: str) -> bool:
    """Whether a name stands for something imported or pulled, and could not be taken for a path."""
    if not _NAME.fullmatch(name) or Path(name).exists():
        return False
    try:
        catalog.locate(name)
    except UserError:
        return False
    return True
