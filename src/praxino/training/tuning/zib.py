"""Owns the tutorial's clips: ten GIFs of Zib, a small robot that no model knows, drawn here stroke by stroke.

Knows no model. Five motions on five grounds: the others are left to ask for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from praxino import media
from praxino.errors import UserError
from praxino.recipe import Encoding
from praxino.training.motions import GROUNDS, MOTIONS, Placement, render_clip

NAME = "zib"
CLIPS = (
    ("bouncing", "white"), ("bouncing", "blue"), ("sliding right", "green"), ("sliding right", "red"),
    ("falling down", "black"), ("falling down", "white"), ("shaking", "blue"), ("shaking", "red"),
    ("pulsing", "green"), ("pulsing", "black"),
)  # fmt: skip
"""Motion and ground of each clip."""
SPRITE_PX = 48
CLIP_PX = 64
NUM_FRAMES = 9
FPS = 10.0
SCALE = 8
BODY, EYES, DARK, TIP = (128, 52, 190), (120, 255, 235), (58, 18, 96), (255, 150, 40)


def sprite() -> np.ndarray:
    """Zib as (48, 48, 4) uint8, premultiplied RGBA."""
    image = Image.new("RGBA", (SPRITE_PX * SCALE, SPRITE_PX * SCALE))
    draw = ImageDraw.Draw(image)

    def at(*corners: float) -> list[float]:
        return [corner * SCALE for corner in corners]

    draw.line(at(24, 4, 24, 13), fill=DARK, width=2 * SCALE)
    draw.ellipse(at(20.5, 0.5, 27.5, 7.5), fill=TIP)
    draw.rounded_rectangle(at(1, 22, 7, 34), radius=2 * SCALE, fill=DARK)
    draw.rounded_rectangle(at(41, 22, 47, 34), radius=2 * SCALE, fill=DARK)
    draw.rounded_rectangle(at(5, 12, 43, 46), radius=7 * SCALE, fill=BODY)
    draw.rounded_rectangle(at(9, 17, 39, 33), radius=5 * SCALE, fill=DARK)
    draw.ellipse(at(13, 20, 21, 30), fill=EYES)
    draw.ellipse(at(27, 20, 35, 30), fill=EYES)
    draw.rounded_rectangle(at(15, 37, 33, 41), radius=2 * SCALE, fill=EYES)
    return np.array(image.convert("RGBa").resize((SPRITE_PX, SPRITE_PX), Image.Resampling.LANCZOS))


def clip(motion: str, ground: str) -> np.ndarray:
    """Zib moving, (9, 64, 64, 3) uint8."""
    place = Placement(0.56, 0.0, 0.0)
    return render_clip(sprite(), motion, GROUNDS[ground], place, num_frames=NUM_FRAMES, size_px=CLIP_PX)


def write(folder: Path) -> list[Path]:
    """Write the ten GIFs with their captions into a new folder.

    Raises:
        UserError: the folder is there already.
    """
    assert all(motion in MOTIONS for motion, _ in CLIPS)
    if folder.exists():
        raise UserError(f"{folder} is there already; name a new folder.")
    folder.mkdir(parents=True)
    encoding = Encoding("gif", loop=0, gif="best", quality=90, codec="none", grid=False, sheet=False)
    written = []
    for motion, ground in CLIPS:
        path = folder / f"{NAME}-{motion.replace(' ', '-')}-{ground}.gif"
        written.append(media.save([clip(motion, ground)], path, encoding, FPS, None))
        path.with_suffix(".txt").write_text(f"{NAME} {motion} on a {ground} background\n", encoding="utf-8")
    return written
