"""A Request as the command line that says it. Knows flags; runs nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from praxino.cli.app import COMMANDS
from praxino.request import Request, flag, shape


def arguments(request: Request) -> list[str]:
    """What stands after `praxino`: the prompt, and a flag for every field that differs from its default."""
    flags = [word for f in dataclasses.fields(Request) if f.name != "prompt" for word in _flags(request, f)]
    if not request.prompt:
        return flags
    if request.prompt.startswith("-"):
        return [*flags, "--", request.prompt]
    return [*(["generate"] if request.prompt in COMMANDS else []), request.prompt, *flags]


def _flags(request: Request, field: dataclasses.Field) -> Iterator[str]:
    value, spelled = getattr(request, field.name), flag(field.name)
    if value == field.default:
        return
    kind, is_list, _ = shape(field.name)
    if kind is bool:
        yield spelled if value else f"--no-{spelled.removeprefix('--')}"
    elif not is_list:
        yield from (spelled, _text(value))
    elif kind is str:
        for item in value:
            yield from (spelled, item)
    else:
        yield from (spelled, ",".join(map(_text, value)))


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
