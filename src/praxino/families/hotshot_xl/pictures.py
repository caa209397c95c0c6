"""Pictures and clips as the networks take them: so many frames, cropped to the aspect, resized. Knows no latents.

Source of crop and resize: hotshotco/Hotshot-XL at cc01f7f, hotshot_xl/utils.py (scale_aspect_fill).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from praxino.families._stock.pictures import resampled as resampled


def filled(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """(F, H, W, 3) uint8 resized to cover width x height, and the middle of that."""
    return np.stack([_cover(Image.fromarray(frame), width, height) for frame in frames])


def _cover(picture: Image.Image, width: int, height: int) -> np.ndarray:
    across, down = width / picture.width, height / picture.height
    if across > down:
        size = width, max(height, round(picture.height * across))
    else:
        size = max(width, round(picture.width * down)), height
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    resized = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(resized.crop((left, top, left + width, top + height)))
