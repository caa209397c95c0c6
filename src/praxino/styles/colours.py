"""Colours as people say them: text encoders read words better than hexadecimal digits. Knows no style."""

from __future__ import annotations

import re

from praxino.errors import UserError

WORDS = {
    **{"black": "#000000", "dark grey": "#444444", "grey": "#808080", "light grey": "#cccccc", "white": "#ffffff"},
    **{"dark red": "#8b0000", "red": "#e02020", "coral": "#ff7f50", "pink": "#ffb0c8", "hot pink": "#ff3399"},
    **{"brown": "#7a4a21", "orange": "#ff8c00", "beige": "#f0e2c0", "gold": "#e0b020", "yellow": "#ffe020"},
    **{"olive": "#808000", "lime green": "#80e020", "green": "#20a040", "dark green": "#0b5020", "mint": "#a0f0c8"},
    **{"teal": "#008080", "turquoise": "#30d5c8", "cyan": "#20e0ff", "sky blue": "#80c8ff", "blue": "#2050e0"},
    **{"royal blue": "#4169e1", "navy blue": "#0a1f5c", "indigo": "#4b0082", "purple": "#8020a0", "violet": "#9a60f0"},
    **{"lavender": "#d8c8ff", "magenta": "#e020d0", "burgundy": "#70102a"},
}
"""Names, and a colour of each."""
_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def said(colour: str) -> str:
    """A colour in words and digits, as in "royal blue #3366ff".

    Raises:
        UserError: it is neither #RRGGBB nor #RGB.
    """
    if not _HEX.fullmatch(colour):
        raise UserError(f"--brand-colour is {colour[:40]!r}; write it as #RRGGBB, as in #3366ff.")
    digits = colour[1:].lower() if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:].lower())
    wanted = _channels(f"#{digits}")
    word = min(WORDS, key=lambda name: _distance(wanted, _channels(WORDS[name])))
    return f"{word} #{digits}"


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """How different two colours look, squared; 0 for the same (the "redmean" weights, compuphase.com/cmetric.htm)."""
    red = (one[0] + other[0]) / 2
    r, g, b = (a - c for a, c in zip(one, other, strict=True))
    return (2 + red / 256) * r * r + 4 * g * g + (2 + (255 - red) / 256) * b * b
