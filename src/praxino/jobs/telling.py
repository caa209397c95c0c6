"""What others are told of a job: nothing of where this machine keeps its files. Knows plain JSON and text alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_QUOTED = re.compile(r"""(['"])((?:/|[A-Za-z]:\\)[^'"\n]+)\1""")
_BARE = re.compile(r"""(?<![\w.:/\\~])(?:/|[A-Za-z]:\\)[^\s'"`,;()\[\]<>|]+[/\\][^\s'"`,;:()\[\]<>|]*""")


def without_paths(message: str) -> str:
    """A message with the last part alone of every absolute path; URLs stay."""
    quoted = _QUOTED.sub(lambda found: found[1] + _last(found[2]) + found[1], message)
    return _BARE.sub(lambda found: _last(found[0]), quoted)


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\."))[-1] + ("." if path.endswith(".") else "")


def shared_sources(recipe: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A recipe whose pictures and clips that are not inside of it are named relative to the shared folder `root`."""
    prefix = f"{root}/"
    return _with_sources(recipe, lambda source: source.removeprefix(prefix))


def local_sources(recipe: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The reverse: the recipe as it is run on a machine where the shared folder is `root`."""
    return _with_sources(recipe, lambda source: str(root / source))


def _with_sources(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        if {"source", "sha256", "data"} <= value.keys() and value["data"] == "":
            return {**value, "source": change(value["source"])}
        return {name: _with_sources(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_sources(item, change) for item in value]
    return value
