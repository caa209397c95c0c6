"""One style: what it says, checked. Knows no file and no other style."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.request import Request, options, shape

PLAIN = "{prompt}"
"""The template that leaves a prompt as it is."""
VARIABLES = ("prompt", "brand_colour")
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_FILES = ("lora", "embedding", "reference")
"""Lists of files that a style may bring along, beside its own."""


@dataclass(frozen=True)
class Style:
    """A look."""

    name: str
    about: str
    """In one line."""
    prompt: str
    """What the text encoder reads; {prompt} stands for what the user wrote, {brand_colour} for a colour in words."""
    fields: Mapping[str, Any]
    """Of a Request: for what it leaves open."""
    origin: str
    """The file that it is from; "" when it is built in."""

    @property
    def has_colour(self) -> bool:
        """Whether it draws in a colour that can be chosen."""
        return "{brand_colour}" in self.prompt

    def caption(self, prompt: str, colour: str) -> str:
        """The prompt as the style says it, in a colour named by `colour`."""
        values = {"prompt": prompt.strip(), "brand_colour": colour}
        return _VARIABLE.sub(lambda found: values[found[1]], self.prompt).strip(" ,")


def read_style(name: str, table: Any, origin: Path | None) -> Style:
    """Read a style from its TOML table.

    Raises:
        UserError: something in it is unknown, of the wrong type or out of bounds.
    """
    where = f"style {name!r}" + (f" in {origin}" if origin else "")
    if not isinstance(table, dict):
        raise UserError(f"{where} is {table!r:.60}; it must be a table: [{name}]")
    about, prompt = table.get("about", ""), table.get("prompt", PLAIN)
    if not isinstance(about, str) or not isinstance(prompt, str):
        raise UserError(f"{where}: about and prompt must be text.")
    given = {key: value for key, value in table.items() if key not in ("about", "prompt")}
    fields = {key: _value(key, value, where, origin) for key, value in given.items()}
    try:
        Request(**fields)
    except UserError as problem:
        raise UserError(f"{where}: {problem}") from problem
    style = Style(name, about, prompt, fields, str(origin) if origin else "")
    _check_template(style, where)
    return style


def _value(key: str, value: Any, where: str, origin: Path | None) -> Any:
    allowed = [name for name in options() if name not in ("prompt", "style")]
    if key not in allowed:
        raise UserError(f"{where} has {key!r}, which it cannot set; it can set about, prompt, {', '.join(allowed)}.")
    kind, is_list, _ = shape(key)
    if is_list and isinstance(value, list):
        value = tuple(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if key in _FILES and origin is not None and isinstance(value, tuple):
        value = tuple(_beside(text, origin) if isinstance(text, str) else text for text in value)
    return value


def _beside(text: str, origin: Path) -> str:
    """A file's name, with the style's folder where the file is there."""
    name = text if (origin.parent / text).is_file() else text.rpartition(":")[0]
    return str(origin.parent / text) if name and (origin.parent / name).is_file() else text


def _check_template(style: Style, where: str) -> None:
    unknown = [name for name in _VARIABLE.findall(style.prompt) if name not in VARIABLES]
    if unknown or "{prompt}" not in style.prompt:
        wrong = f"has {{{unknown[0][:40]}}}" if unknown else "has no {prompt}"
        raise UserError(
            f"{where}: its prompt {wrong}; {{prompt}} stands for what is drawn, {{brand_colour}} for a colour."
        )
    if style.has_colour and "brand_colour" not in style.fields:
        raise UserError(f'{where}: its prompt has {{brand_colour}}; say which by default: brand_colour = "#3366ff"')
