"""Names the output files and writes clips into them, each with its recipe. Knows no weights."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from praxino import media
from praxino.engine.drawn import Drawn
from praxino.errors import UserError
from praxino.recipe import Format, Recipe

_EXTENSIONS: dict[str, str] = {"jpeg": ".jpg", "frames": ""}
_SLUG_CHARACTERS = 60


def default_path(prompt: str, format: Format, folder: Path, n: int = 1) -> Path:
    """A name made of the prompt's words that is not taken in `folder`: a-rocket-flying-up.gif, then ...-2.gif.

    With several files (`n`, see `sample_paths`), none of theirs is taken either.
    """
    words = re.findall(r"\w+", prompt.lower())
    slug = "-".join(words)[:_SLUG_CHARACTERS].rstrip("-") or "praxino"
    while len(slug.encode()) > 200:
        slug = slug[:-1]
    extension = _EXTENSIONS.get(format, f".{format}")
    number = 1
    while True:
        path = folder / f"{slug}{f'-{number}' if number > 1 else ''}{extension}"
        if not any(file.exists() for file in sample_paths(path, n, grid=False)):
            return path
        number += 1


def sample_paths(path: Path, n: int, grid: bool) -> list[Path]:
    """The files that n samples go to: `path` itself, or name-1.gif to name-n.gif."""
    if n == 1 or grid:
        return [path]
    return [path.with_name(f"{path.stem}-{i + 1}{path.suffix}") for i in range(n)]


def save_clips(clips: Sequence[Drawn], recipe: Recipe, path: Path, *, metadata: bool = True) -> list[Path]:
    """Write n clips: n files, or one when the recipe has `grid`.

    Args:
        clips: the n samples. Their sound is left out where the format has none, and of several in one file.
        recipe: how they were made; each file carries the recipe that draws its own pixels.
        path: the file, or the pattern of n files' names.
        metadata: whether to put the recipe into the files.

    Returns:
        The files written.
    """
    paths = sample_paths(path, recipe.n, recipe.encoding.grid)
    if len(paths) == 1:
        _save(clips, recipe, path, metadata)
    else:
        for i, (clip, file) in enumerate(zip(clips, paths, strict=True)):
            _save([clip], recipe.single(i), file, metadata)
    return paths


def _save(clips: Sequence[Drawn], recipe: Recipe, path: Path, metadata: bool) -> None:
    text = recipe_text(recipe) if metadata else None
    sound = clips[0].sound if len(clips) == 1 else None
    media.save([clip.frames for clip in clips], path, recipe.encoding, recipe.fps, text, sound)


def recipe_text(recipe: Recipe) -> str:
    """The recipe as it is written into files: one JSON object."""
    return json.dumps(recipe.to_json(), ensure_ascii=False, separators=(",", ":"))


def read_recipe(path: Path) -> Recipe:
    """The recipe inside a file.

    Raises:
        UserError: the file is missing, holds no recipe, or one that is damaged or of a newer version.
    """
    text = media.read_metadata(path)
    try:
        data = json.loads(text)
    except ValueError as problem:
        raise UserError(f"the recipe in {path} is damaged ({problem}); use the original file.") from problem
    return Recipe.from_json(data)
