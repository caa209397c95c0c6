"""A Request in a style. Pure: the style is found beforehand; knows no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from praxino.errors import UserError
from praxino.request import Request, overlaid
from praxino.styles.colours import said
from praxino.styles.shelf import every, find
from praxino.styles.style import PLAIN, Style


@dataclass(frozen=True)
class Dressed:
    """A request with its style's settings, and what its prompt becomes."""

    request: Request
    caption: str
    """The prompt as the style says it; the prompt itself when there is none, or it leaves prompts alone."""
    rewrites: bool
    """Whether the style says the prompt in other words."""
    settles: bool
    """Whether the style decides anything else."""
    brings_negative: bool
    """Whether the negative prompt is the style's."""


def dress(request: Request, find: Callable[[str], Style] = find) -> Dressed:
    """Put a request in its style.

    What the request says wins over the style; a field that has its default says nothing.

    Raises:
        UserError: there is no such style, or the request has a colour that its style has no place for.
    """
    if request.style is None:
        if request.brand_colour is not None:
            able = ", ".join(name for name, style in every().items() if style.has_colour)
            raise UserError(f"--brand-colour is for a style that has one: {able}. Name it with --style.")
        return Dressed(request, request.prompt, rewrites=False, settles=False, brings_negative=False)
    style = find(request.style)
    if request.brand_colour is not None and not style.has_colour:
        raise UserError(f"the style {style.name} has no place for --brand-colour; leave it out, or take another style.")
    defaults = {field.name: field.default for field in dataclasses.fields(Request)}
    asked = {name: value for name, default in defaults.items() if (value := getattr(request, name)) != default}
    dressed = Request(**overlaid(style.fields, asked))
    colour = said(dressed.brand_colour) if dressed.brand_colour is not None else ""
    brought = {name for name in defaults if getattr(dressed, name) != getattr(request, name)}
    return Dressed(
        dressed,
        style.caption(request.prompt, colour),
        rewrites=style.prompt != PLAIN,
        settles=bool(brought - {"brand_colour", "negative_prompt"}),
        brings_negative="negative_prompt" in brought,
    )
