"""Checkpoints in their authors' layout, written as folders of the diffusers layout: once, and safetensors only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.errors import ModelError, UserError
from praxino.families._original import Original, Writer, find
from praxino.weights import pickles
from praxino.weights.selection import PICKLES, WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

SPARE_BYTES = 2**28
"""Room that is left on the disk."""


def convert(source: Path, target: Path, *, allow_pickle: bool = False) -> str:
    """Write a folder of the diffusers layout from one in its authors' layout; whose that was.

    Tensors are mapped from the disk and written one after another, so memory is needed for the largest alone.

    Args:
        source: the folder as its authors publish it.
        target: the folder to write; it appears only when all of it is written.
        allow_pickle: read pickles, with weights_only; without it they are refused.

    Raises:
        UserError: the source is no such folder, or lacks files, or the target is there already.
        ModelError: weights are damaged, or the disk has not the room.
    """
    original = find(source)
    if original is None:
        raise UserError(f"{source} is no checkpoint in a layout of its authors that is known here; see docs.")
    if target.exists() or not target.parent.is_dir():
        raise UserError(f"{target} is there already, or its parent is not; give a new folder in one that is there.")
    refuse_pickles(original.files, allowed=allow_pickle)
    check_room(original.files, target.parent)
    work = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write(original, work)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return original.title


def write(original: Original, folder: Path, on_bytes: Callable[[int, int], None] = lambda *_: None) -> None:
    """Write a checkpoint's folder; `on_bytes` is called with the bytes read so far and those of everything."""
    total, done = sum(file.stat().st_size for file in original.files), 0

    def read(path: Path) -> dict[str, Tensor]:
        nonlocal done
        tensors = _read(path)
        done = min(done + path.stat().st_size, total)
        on_bytes(done, total)
        return tensors

    folder.mkdir(parents=True)
    try:
        original.write(read, Writer(folder))
    except (KeyError, ValueError, IndexError, StopIteration) as problem:
        raise ModelError(
            f"a weight of {original.files[0].parent} is not as {original.title}'s authors name it: {problem}.\n"
            "Download it again, or take the repository in diffusers' layout."
        ) from problem


def refuse_pickles(files: tuple[Path, ...], *, allowed: bool) -> None:
    """Raise UserError for the first pickle, unless they are allowed."""
    pickled = next((file for file in files if file.name.endswith(PICKLES)), None)
    if pickled is not None and not allowed:
        raise UserError(
            f"{pickled} is a pickle, which can run a program when it is loaded; look for the same as {WEIGHTS}.\n"
            "If you trust it, add --allow-pickle: only its tensors are read, and written as safetensors."
        )


def check_room(files: tuple[Path, ...], folder: Path) -> None:
    """Raise ModelError where a disk has not the room for a copy of files."""
    needed, free = sum(file.stat().st_size for file in files), shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise ModelError(
            f"the copy takes {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB free. Make room, or "
            "move it: set PRAXINO_HOME to a folder on a larger disk."
        )


def _read(path: Path) -> dict[str, Tensor]:
    if path.name.endswith(PICKLES):
        return pickles.read(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as problem:
        raise ModelError(f"{path} is no whole .safetensors file ({problem}); download it again.") from problem
