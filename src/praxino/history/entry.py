"""One line of the journal, and how it is made of a file. Knows no database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from praxino.recipe import Recipe


@dataclass(frozen=True)
class Entry:
    """A file that was written, or one from elsewhere that was edited."""

    id: int
    """Counts up; never given twice. 0 before it is in the journal."""
    time: str
    """When it was noted, ISO 8601 in UTC."""
    path: str
    """Absolute."""
    sha256: str
    """Of the file's bytes, see `digest`."""
    identity: str
    """`Recipe.identity` of what drew it; the file's `sha256` when that is not known."""
    prompt: str
    model: str
    """The model's name, or its absolute folder; "" when not known."""
    task: str
    """"" when not known."""
    parent: int | None = None
    """The id of what was edited to make it."""


def drawn(recipe: Recipe, paths: list[Path], parent: int | None = None) -> list[Entry]:
    """Entries of the files that a recipe's samples were written to: one file each, or all in one."""
    samples = [recipe] if len(paths) == 1 else [recipe.single(index) for index in range(len(paths))]
    return [_entry(path, sample, parent) for path, sample in zip(paths, samples, strict=True)]


def found(path: Path, recipe: Recipe | None) -> Entry:
    """The entry of a file that is not in the journal; `recipe` is what lies inside it, if one does."""
    return _entry(path, recipe, None)


def _entry(path: Path, recipe: Recipe | None, parent: int | None) -> Entry:
    sha256 = digest(path)
    return Entry(
        id=0,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        path=str(path.resolve()),
        sha256=sha256,
        identity=recipe.identity() if recipe else sha256,
        prompt=recipe.prompt if recipe else "",
        model=_lasting(recipe.model) if recipe else "",
        task=recipe.task if recipe else "",
        parent=parent,
    )


def _lasting(model: str) -> str:
    """A model's folder so that it is found from other folders too; its name as it is."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.exists() else model


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of all files in a folder, in hex."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path.iterdir()):
        whole.update(f"{file.name}\0{digest(file)}\0".encode(errors="surrogateescape"))
    return whole.hexdigest()
