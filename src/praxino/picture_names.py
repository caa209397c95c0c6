"""Where a Request names pictures and clips, and how such a name is written among other things. Opens none of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from praxino import motions
from praxino.errors import UserError
from praxino.request import Request

WHOLE = ("image", "mask", "first", "last", "video", "motion_template", "soundtrack")
"""Fields that are the name of one picture, clip or sound; `motion_template` may be the name of a motion that ships."""
PARTED = ("control", "reference", "keyframes")
"""Fields that are lists of KIND=NAME[:SCALE], NAME[:WEIGHT] and NAME@FRAME[:STRENGTH], or NAME@SECONDSs."""

Change = Callable[[str, str], str]
"""The new name for a picture's name, and for what messages call it, as in "image" or "keyframes[0]"."""


def with_pictures(request: Request, change: Change) -> Request:
    """A request with every picture's name changed.

    Raises:
        UserError: a control or keyframe is not written as it must be; and what `change` raises.
    """
    named = {name: text for name in WHOLE if (text := getattr(request, name))}
    if named.get("motion_template") in motions.names():
        del named["motion_template"]
    changed: dict[str, Any] = {name: change(text, name) for name, text in named.items()}
    parts = {"control": _control, "reference": scaled_name, "keyframes": _keyframe}
    for name in PARTED:
        changed[name] = tuple(
            _with_name(parts[name](text), f"{name}[{index}]", change)
            for index, text in enumerate(getattr(request, name))
        )
    return dataclasses.replace(request, **changed)


def scaled_name(text: str) -> tuple[str, str, str]:
    """Nothing, the name and ":NUMBER" of NAME[:NUMBER]."""
    head, colon, tail = text.rpartition(":")
    try:
        float(tail)
    except ValueError:
        return "", text, ""
    return ("", head, colon + tail) if head else ("", text, "")


def _with_name(parts: tuple[str, str, str], said: str, change: Change) -> str:
    before, name, after = parts
    return before + change(name, said) + after


def _control(text: str) -> tuple[str, str, str]:
    kind, equals, rest = text.partition("=")
    if not equals or not re.fullmatch(r"[\w-]{1,40}", kind):
        raise UserError(f"--control is {text[:200]!r}; write KIND=FILE[:SCALE], as in canny=photo.png:0.8")
    _, name, scale = scaled_name(rest)
    return f"{kind}=", name, scale


def _keyframe(text: str) -> tuple[str, str, str]:
    name, at, place = text.rpartition("@")
    if not name or not re.fullmatch(r"(\d{1,6}|[\d.]{1,20}s)(:[\d.]{1,20})?", place, re.ASCII):
        raise UserError(
            f"--keyframe is {text[:200]!r}; write FILE@FRAME[:STRENGTH], as in sun.png@16:0.8, or FILE@SECONDSs, as in "
            "sun.png@1.5s"
        )
    return "", name, at + place
