"""Pictures and clips that a recipe is given, as the pipelines want them: PIL, in the recipe's size. No torch."""

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


def fitted_clip(frames: np.ndarray, num_frames: int, width: int, height: int) -> list[Image.Image]:
    """So many of the frames, each as `fitted`; a single picture is every frame."""
    return [fitted(frame[None], width, height) for frame in resampled(frames, num_frames)]


def resampled(frames: np.ndarray, num_frames: int) -> np.ndarray:
    """That many of the (F, H, W, 3) frames, evenly spread from the first to the last; of fewer, some come again."""
    places = np.linspace(0, len(frames) - 1, num_frames)
    return frames[np.floor(places + 0.5).astype(int)]


def of_role(recipe: Recipe, pictures: list[np.ndarray], role: str) -> list[np.ndarray]:
    """The pictures whose condition has that role; "control:" stands for every role that begins so."""
    given = zip(recipe.conditions, pictures, strict=True)
    return [
        frames
        for condition, frames in given
        if condition.role == role or (role.endswith(":") and condition.role.startswith(role))
    ]
