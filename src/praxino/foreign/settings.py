"""What is made of somebody's settings. Knows no format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from praxino.errors import UserError
from praxino.request import Request


@dataclass(frozen=True)
class Unmapped:
    """A setting or node that the Request has no place for."""

    what: str
    why: str


@dataclass(frozen=True)
class Settings:
    """The fields of a Request that were found, and all that could not be put into one."""

    program: str
    """Who wrote them."""
    fields: Mapping[str, Any]
    """Each is good for a Request."""
    checkpoint: str = ""
    """The model as it is named there; "" when it is not named."""
    unmapped: tuple[Unmapped, ...] = ()
    missing: str = ""
    """The field of a picture that they were used with and that is not told; "" when nothing is missing."""


@dataclass
class Draft:
    """Settings being read."""

    program: str
    fields: dict[str, Any] = field(default_factory=dict)
    checkpoint: str = ""
    unmapped: list[Unmapped] = field(default_factory=list)
    missing: str = ""

    def put(self, name: str, value: Any, said: str) -> None:
        """Take a field over; what a Request would refuse is listed as `said` instead."""
        try:
            Request(**{name: value})
        except UserError as problem:
            self.leave(said, str(problem).partition("\n")[0].rstrip("."))
        else:
            self.fields[name] = value

    def leave(self, what: str, why: str) -> None:
        """List something as not taken over."""
        self.unmapped.append(Unmapped(" ".join(what.split())[:200], why))

    def finished(self) -> Settings:
        """What was found, frozen."""
        return Settings(self.program, dict(self.fields), self.checkpoint, tuple(self.unmapped), self.missing)


def scaled_name(name: str, scale: float) -> str:
    """FILE:SCALE, as a Request's lists of files have it."""
    return name if scale == 1 else f"{name}:{scale:g}"


def number(text: str) -> float | None:
    """A finite number, or None when the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
