"""The motions that ship with Praxino, and those in files."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from praxino.errors import UserError
from praxino.motions.motion import Motion, parse, read


@cache
def names() -> tuple[str, ...]:
    """The motions that ship."""
    return tuple(sorted(file.name[:-5] for file in _library().iterdir() if file.name.endswith(".json")))


def find(name: str) -> Motion:
    """The motion of a name, or that in a file NAME.json.

    Raises:
        UserError: there is none, or the file is not written as a motion is.
    """
    if name in names():
        return parse((_library() / f"{name}.json").read_text(encoding="utf-8"), name, name)
    path = Path(name).expanduser()
    if path.suffix.lower() == ".json":
        return read(path)
    near = difflib.get_close_matches(name, names(), n=1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"there are {', '.join(names())}; or name a .json file or a clip of poses."
    )
    raise UserError(f"there is no motion {name[:100]!r}; {hint}")


def _library() -> Traversable:
    return files("praxino.motions") / "library"
