"""Owns pictures of things: emoji glyphs of a colour font as square RGBA arrays.

Must not know motions, grounds, captions or torch. Sprites are premultiplied by their alpha, so that
resampling them never mixes in the colour of invisible pixels.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import emoji
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from praxino.errors import UserError

FONT_PATHS = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf"),
)
FONT_SIZE_PX = 109
"""The only size the bitmap font holds."""
SPRITE_SIZE_PX = 48

THINGS: dict[str, str] = {
    "rocket": "🚀",
    "cat face": "🐱",
    "dog face": "🐶",
    "red apple": "🍎",
    "soccer ball": "⚽",
    "red heart": "❤",
    "frog": "🐸",
    "balloon": "🎈",
    "ghost": "👻",
    "pizza": "🍕",
    "automobile": "🚗",
    "jack-o-lantern": "🎃",
    "tropical fish": "🐠",
    "sunflower": "🌻",
    "banana": "🍌",
    "gem stone": "💎",
}
"""The things the model is taught by name, and the character that draws each."""


@dataclass(frozen=True)
class Sprite:
    """A thing's picture: `pixels` is (size, size, 4) uint8, premultiplied RGBA."""

    name: str
    character: str
    pixels: NDArray[np.uint8]


def find_font() -> Path:
    """Return the colour emoji font of this machine; raise UserError where there is none."""
    for path in FONT_PATHS:
        if path.is_file():
            return path
    raise UserError(
        "no Noto Color Emoji font found, and it draws the training data; "
        "install the package fonts-noto-color-emoji, or put NotoColorEmoji.ttf in /usr/share/fonts/truetype/noto"
    )


@functools.cache
def _font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), FONT_SIZE_PX)


def draw_sprite(name: str, character: str, size_px: int = SPRITE_SIZE_PX) -> Sprite | None:
    """Draw one character, cropped and centred in a square; None where the font has no glyph for it."""
    canvas = Image.new("RGBA", (160, 150), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((8, 8), character, font=_font(find_font()), embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        return None
    glyph = canvas.crop(box)
    side = max(glyph.size)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    small = square.convert("RGBa").resize((size_px, size_px), Image.Resampling.LANCZOS)
    pixels = np.array(small)
    if pixels[..., :3].max() == 0:
        return None
    return Sprite(name, character, pixels)


@functools.cache
def named_sprites() -> tuple[Sprite, ...]:
    """The things taught by name, in the order of THINGS."""
    drawn = [draw_sprite(name, character) for name, character in THINGS.items()]
    if None in drawn:
        raise UserError(f"the font {find_font()} lacks one of the characters {''.join(THINGS.values())}")
    return tuple(sprite for sprite in drawn if sprite is not None)


@functools.cache
def other_sprites() -> tuple[Sprite, ...]:
    """Every other single-character emoji the font draws; a model learns to move these without their names."""
    taught = set(THINGS.values())
    found: dict[bytes, Sprite] = {}
    for character, entry in sorted(emoji.EMOJI_DATA.items()):
        plain = character.replace("\ufe0f", "")
        if len(plain) != 1 or plain in taught:
            continue
        sprite = draw_sprite(entry["en"].strip(":").replace("_", " ").lower(), plain)
        if sprite is not None:
            found.setdefault(sprite.pixels.tobytes(), sprite)
    return tuple(found.values())
