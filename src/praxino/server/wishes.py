"""A Request from outside, made safe: its pictures become files that were looked at, its models installed names.

Knows no HTTP and no queue.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import UserError
from praxino.request import Request
from praxino.server.inputs import Inputs, Upload
from praxino.settings import home
from praxino.weights import catalog

PICTURES = ("image", "mask", "first", "last", "video")
"""Fields that name one picture or clip."""
_NAME = re.compile(r"[\w][\w.+-]*(/[\w][\w.+-]*)?", re.ASCII)
_COMPANIONS = ("spatial_base", "ip_adapter")


@dataclass(frozen=True)
class Wish:
    """A request twice: for the engine, and for the record."""

    local: Request
    """Its pictures are paths on this machine, its LoRAs too."""
    told: Request
    """Its pictures are ids of uploads: it can be sent again."""
    said: tuple[tuple[str, str], ...]
    """Paths of this machine, and what messages call them instead."""

    def reword(self, message: str) -> str:
        """A message without this machine's paths."""
        for path, said in self.said:
            message = message.replace(path, said)
        return message


def make_safe(request: Request, owner: str, inputs: Inputs) -> Wish:
    """Take in a request's pictures, and check what else it names.

    Raises:
        UserError: a picture cannot be had or read, or a model, LoRA or companion is not named like an installed one.
    """
    check_models(request)
    names = _Pictures(owner, inputs)
    local, told = {}, {}
    for name in PICTURES:
        if text := getattr(request, name):
            local[name], told[name] = names.take(text, name)
    parted = {"control": _parted_control, "reference": _parted_scale, "keyframes": _parted_keyframe}
    for name, parts_of in parted.items():
        pairs = [names.take_part(text, f"{name}[{i}]", parts_of) for i, text in enumerate(getattr(request, name))]
        local[name], told[name] = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    loras = [_installed_file(text, "lora") for text in request.lora]
    local["lora"] = tuple(f"{path}{scale}" for path, _, scale in loras)
    said = [*names.said, *((str(path), name) for path, name, _ in loras)]
    return Wish(dataclasses.replace(request, **local), dataclasses.replace(request, **told), tuple(said))


def check_models(request: Request) -> None:
    """Refuse a model or companion that is not installed under that name. Raises UserError."""
    installed = [entry.name for entry in catalog.entries() if entry.path is not None]
    if request.model not in installed:
        raise UserError(
            f"the model {request.model[:100]!r} is not on this server; installed are {', '.join(installed)}."
        )
    for name in _COMPANIONS:
        if text := getattr(request, name):
            _installed_companion(text, name)
    for text in request.controlnet:
        _installed_companion(text, "controlnet")
    for text in request.embedding:
        _installed_companion(text.partition(":")[0], "embedding")


class _Pictures:
    """Takes in pictures for one owner."""

    def __init__(self, owner: str, inputs: Inputs) -> None:
        self._owner = owner
        self._inputs = inputs
        self.said: list[tuple[str, str]] = []

    def take(self, text: str, said: str) -> tuple[str, str]:
        """The path and the upload's id of what a text stands for."""
        upload: Upload = self._inputs.take(self._owner, text, said)
        path = str(self._inputs.path(upload))
        self.said.append((path, said))
        return path, upload.id

    def take_part(self, text: str, said: str, parts_of: Callable[[str], tuple[str, str, str]]) -> tuple[str, str]:
        """As `take`, of a picture with something written before and after it."""
        before, name, after = parts_of(text)
        path, upload_id = self.take(name, said)
        return before + path + after, before + upload_id + after


def _parted_control(text: str) -> tuple[str, str, str]:
    """KIND= and the picture and :SCALE of a control."""
    kind, equals, rest = text.partition("=")
    if not equals or not re.fullmatch(r"[\w-]{1,40}", kind):
        raise UserError(f"control is {text[:100]!r}; write KIND=PICTURE[:SCALE], as in canny=upload_...:0.8")
    _, name, scale = _parted_scale(rest)
    return f"{kind}=", name, scale


def _parted_scale(text: str) -> tuple[str, str, str]:
    """Nothing, the picture and :SCALE."""
    head, colon, tail = text.rpartition(":")
    try:
        float(tail)
    except ValueError:
        return "", text, ""
    return ("", head, colon + tail) if head else ("", text, "")


def _parted_keyframe(text: str) -> tuple[str, str, str]:
    """Nothing, the picture and @FRAME[:STRENGTH]."""
    name, at, place = text.rpartition("@")
    if not name or not re.fullmatch(r"\d{1,6}(:[\d.]{1,20})?", place):
        raise UserError(f"keyframes has {text[:100]!r}; write PICTURE@FRAME[:STRENGTH], as in upload_...@16:0.8")
    return "", name, at + place


def _installed_companion(name: str, said: str) -> None:
    if not _NAME.fullmatch(name) or not (_models() / name.replace("/", "--")).exists():
        raise _not_installed(name, said)


def _installed_file(text: str, said: str) -> tuple[Path, str, str]:
    """The path, the name and ":SCALE" of weights kept beside the models."""
    _, name, scale = _parted_scale(text)
    if _NAME.fullmatch(name):
        for ending in ("", ".safetensors"):
            path = _models() / (name.replace("/", "--") + ending)
            if path.exists():
                return path, name, scale
    raise _not_installed(name, said)


def _not_installed(name: str, said: str) -> UserError:
    return UserError(
        f"{said} is {name[:100]!r}, which is not installed on this server; what is lies beside its models, "
        "and is named without a path."
    )


def _models() -> Path:
    return home() / "models"
