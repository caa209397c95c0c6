"""Which files of a repository or folder are worth having: weights as safetensors, configs, tokenizers, the licence.

Works on names alone. Programs are never chosen, and pickles are only told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from praxino.errors import UserError

WEIGHTS = ".safetensors"
SAFE = (WEIGHTS, ".json", ".txt", ".model", ".jinja")
"""Extensions of files that are data and nothing else."""
PICKLES = (".ckpt", ".bin", ".pt", ".pth")
"""Extensions of files that can run a program when they are loaded."""
MODEL_INDEX = "model_index.json"
_OTHER_PRECISION = re.compile(r"\.(fp16|bf16|non_ema)(?=[.-])")
"""diffusers' marks of a second copy, as in unet/diffusion_pytorch_model.fp16.safetensors."""


@dataclass(frozen=True)
class Selection:
    """What to take, and what would be needed but is pickled."""

    files: tuple[str, ...]
    pickles: tuple[str, ...]


def choose(names: Iterable[str], inside: str = "", patterns: tuple[str, ...] = ()) -> Selection:
    """Choose among the names of a repository's files, written with "/".

    Args:
        names: all of them.
        inside: one file, or a folder, that is wanted.
        patterns: as in "unet/*.safetensors", further ones; without either, all that a model needs.

    Raises:
        UserError: `inside` or a pattern matches nothing.
    """
    every = sorted(names)
    scope = _named(every, inside, patterns) if inside or patterns else _of_model(every)
    licences = [name for name in every if _is_licence(name)]
    safe = [name for name in dict.fromkeys([*scope, *licences]) if name.endswith(SAFE) or _is_licence(name)]
    return Selection(tuple(safe), tuple(_needed_pickles(scope)))


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The names that are, match, or lie in what a pattern names."""
    every = list(names)
    found = [name for name in every if name == pattern or fnmatchcase(name, pattern)]
    return found or [name for name in every if name.startswith(f"{pattern}/")]


def _named(every: list[str], inside: str, patterns: tuple[str, ...]) -> list[str]:
    scope: list[str] = []
    for pattern in (inside, *patterns) if inside else patterns:
        if not (found := matching(every, pattern)):
            raise UserError(f"there is no {pattern} among the files; there are {_sample(every)}.")
        scope += found
    return list(dict.fromkeys(scope))


def _of_model(every: list[str]) -> list[str]:
    """All, but of a diffusers repository neither copies in other precisions nor single files of the whole."""
    if MODEL_INDEX not in every:
        return every
    parts = [name for name in every if "/" in name or not name.endswith((WEIGHTS, *PICKLES))]
    plain = {_folder(name) for name in parts if name.endswith(WEIGHTS) and not _OTHER_PRECISION.search(name)}
    return [name for name in parts if not (_OTHER_PRECISION.search(name) and _folder(name) in plain)]


def _is_licence(name: str) -> bool:
    """LICENSE, LICENSE.md, ltx-video-2b-v0.9.license.txt: at the top, and text."""
    stem = name.lower()
    return "/" not in name and "licen" in stem and PurePosixPath(stem).suffix in ("", ".md", ".txt")


def _needed_pickles(scope: list[str]) -> list[str]:
    """Pickles in folders that hold nothing better.

    In a diffusers repository only a network's folder counts, the one with a config.json; elsewhere any safetensors
    file makes pickles needless: they are copies, or a trainer's state.
    """
    with_weights = {_folder(name) for name in scope if name.endswith(WEIGHTS)}
    pickled = [name for name in scope if name.endswith(PICKLES) and _folder(name) not in with_weights]
    if MODEL_INDEX in scope:
        return [name for name in pickled if f"{_folder(name)}/config.json" in scope]
    return [] if with_weights else pickled


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _sample(names: list[str]) -> str:
    weights = [name for name in names if name.endswith((WEIGHTS, *PICKLES))] or names
    more = f" and {len(weights) - 5} more" if len(weights) > 5 else ""
    return ", ".join(weights[:5]) + more if weights else "none"
