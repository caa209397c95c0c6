"""Pictures that a recipe is given, as the pipelines want them: PIL, in the recipe's size. No torch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from praxino.recipe import Recipe


def fitted(frames: np.ndarray, width: int, height: int) -> Image.Image:
    """The first of the frames (F, H, W, 3), its middle cut to the aspect and resized (Lanczos)."""
    picture = Image.fromarray(frames[0])
    scale = min(picture.width / width, picture.height / height)
    across, down = width * scale, height * scale
    left, top = (picture.width - across) / 2, (picture.height - down) / 2
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS, box=(left, top, left + across, top + down))


def of_role(recipe: Recipe, pictures: list[np.ndarray], role: str) -> list[np.ndarray]:
    """The pictures whose condition has that role; "control:" stands for every role that begins so."""
    given = zip(recipe.conditions, pictures, strict=True)
    return [
        frames
        for condition, frames in given
        if condition.role == role or (role.endswith(":") and condition.role.startswith(role))
    ]
