"""Taking a file or folder from anywhere into PRAXINO_HOME/models under a name. What is pickled becomes safetensors.

It is copied, never moved or linked: what its owner does to the original later must not change a model.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from praxino.errors import UserError
from praxino.families._original import Original, find
from praxino.weights import catalog, lora_naming, originals, pickles, records
from praxino.weights.hashes import sha256
from praxino.weights.records import Record
from praxino.weights.selection import PICKLES, WEIGHTS, choose

_PIECE_BYTES = 2**24


@dataclass(frozen=True)
class _Copy:
    """One file to be taken in."""

    found: Path
    target: str
    """Its path in the model; for a single file, its name."""

    @property
    def pickled(self) -> bool:
        return self.found.name.endswith(PICKLES)


def take_in(
    origin: Path, name: str, *, allow_pickle: bool = False, on_bytes: Callable[[int, int], None] = lambda *_: None
) -> Record:
    """Copy a model, a LoRA or a part of a model, and note what it is.

    Args:
        origin: a .safetensors file, or a folder as diffusers and transformers write them, or as the authors of some
            families publish theirs, which becomes one of diffusers' layout; with `allow_pickle`, also .ckpt, .bin, .pt
            and .pth files, which are read with weights_only and rewritten as safetensors.
        name: what it is called from then on.
        allow_pickle: read pickles; without it they are refused.
        on_bytes: called with the bytes copied so far and those of everything.

    Raises:
        UserError: the name is taken, or there is nothing to import; nothing is written.
        ModelError: the disk has not the room.
    """
    _check_name(name)
    original = _rewritten(origin)
    copies = _copies(origin, name) if original is None else []
    found = tuple(copy.found for copy in copies) if original is None else original.files
    originals.refuse_pickles(found, allowed=allow_pickle)
    folder = records.models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    originals.check_room(found, folder)
    work = folder / f".importing-{name}.{os.getpid()}"
    try:
        if original is None:
            _copy_all(copies, work, on_bytes)
        else:
            originals.write(original, work, on_bytes)
        content = work if origin.is_dir() else work / copies[0].target
        _keep_variant(origin, content)
        kind, about = _recognise(content)
        written = sorted(path for path in work.rglob("*") if path.is_file())
        hashes = {path.relative_to(work).as_posix(): sha256(path) for path in written}
        record = Record(name, kind, about, str(origin.resolve()), hashes)
        records.write(record)
        os.replace(content, folder / (name if origin.is_dir() else f"{name}{WEIGHTS}"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return record


def _check_name(name: str) -> None:
    if not records.NAME.fullmatch(name):
        raise UserError(
            f"{name[:200]!r} cannot be a model's name; up to 96 letters, digits, '.', '-' and '_' can, beginning with "
            "a letter or digit."
        )
    if name in {entry.name for entry in catalog.entries() if entry.kept == "bundled"}:
        raise UserError(f"{name!r} is the name of a model that ships with Praxino; choose another --name.")
    if records.kept(name) is not None:
        raise UserError(f"{name!r} is there already; choose another --name, or first: praxino models remove {name}")


def _rewritten(origin: Path) -> Original | None:
    """What has to be written in another layout before it runs."""
    found = find(origin)
    return None if found is None or found.runs else found


def _copies(origin: Path, name: str) -> list[_Copy]:
    return _folder_copies(origin) if origin.is_dir() else [_file_copy(origin, name)]


def _file_copy(origin: Path, name: str) -> _Copy:
    if not origin.is_file():
        raise UserError(f"there is no file or folder {origin}; check its name.")
    if not origin.name.endswith((WEIGHTS, *PICKLES)):
        raise UserError(f"{origin} is not a file of weights; these are: {', '.join((WEIGHTS, *PICKLES))}, or a folder.")
    return _Copy(origin, f"{name}{WEIGHTS}")


def _folder_copies(origin: Path) -> list[_Copy]:
    names = [path.relative_to(origin).as_posix() for path in origin.rglob("*") if path.is_file()]
    selection = choose(name for name in names if not name.startswith("."))
    copies = [_Copy(origin / name, pickles.twin(name)) for name in (*selection.files, *selection.pickles)]
    if not any(copy.target.endswith(WEIGHTS) for copy in copies):
        raise UserError(f"{origin} holds no weights: no file of {', '.join((WEIGHTS, *PICKLES))}.")
    return copies


def _copy_all(copies: list[_Copy], work: Path, on_bytes: Callable[[int, int], None]) -> None:
    total, done = sum(copy.found.stat().st_size for copy in copies), 0
    for copy in copies:
        target = work / copy.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if copy.pickled:
            pickles.rewrite(copy.found, target)
        elif copy.found.name.endswith(pickles.PICKLED_INDEX):
            pickles.rewrite_index(copy.found, target)
        else:
            for num_bytes in _copied(copy.found, target):
                on_bytes(done + num_bytes, total)
        done += copy.found.stat().st_size
        on_bytes(done, total)


def _copied(found: Path, target: Path) -> Iterator[int]:
    """Copy a file; yields how many bytes of it are there."""
    with found.open("rb") as source, target.open("wb") as copy:
        while piece := source.read(_PIECE_BYTES):
            copy.write(piece)
            yield copy.tell()


def _keep_variant(origin: Path, content: Path) -> None:
    """Note which checkpoint a folder is, where only the name that it had tells that from its like."""
    meant, found, card = catalog.identify(origin), catalog.identify(content), content / "praxino.json"
    if meant is None or found is None or content.is_file() or card.exists():
        return
    if meant.variant.name != found.variant.name:
        told = {"family": meant.family.name, "variant": meant.variant.name}
        card.write_text(json.dumps(told), encoding="utf-8")


def _recognise(content: Path) -> tuple[Literal["model", "lora", "part"], str]:
    """What was copied. Raises UserError when its weights are damaged or incomplete."""
    shapes = {}
    weights = [content] if content.is_file() else sorted(content.rglob(f"*{WEIGHTS}"))
    for file in weights:
        shapes |= _shapes(file)
    if (entry := catalog.identify(content)) is not None:
        return "model", f"{entry.family.title}, {entry.variant.name}"
    try:
        lora = lora_naming.describe(shapes)
    except ValueError as problem:
        raise UserError(f"the LoRA is damaged: {problem}; download it again.") from problem
    if lora is not None:
        return "lora", lora
    return "part", f"{len(shapes)} tensors of no model or LoRA that is known here"


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape; the file's own header is checked against its length."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as problem:
        raise UserError(
            f"{file.name} is no whole .safetensors file ({problem}); copy or download it again."
        ) from problem
