"""Whether a model's files are what they were: against the hashes of the Hub's cache, or those noted at import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Variant
from praxino.weights import catalog, hub_cache, records
from praxino.weights.completeness import missing
from praxino.weights.hashes import matches
from praxino.weights.selection import choose
from praxino.weights.source import Source


@dataclass(frozen=True)
class Holding:
    """The files of something that is kept here, and what is known of them."""

    name: str
    folder: Path
    hashes: dict[str, str | None]
    """By path in the folder; None where nothing tells what a file must be."""
    lacking: tuple[str, ...] = ()
    parts: tuple[Holding, ...] = ()
    """What it is put together from, by the names of their repositories."""

    @property
    def num_bytes(self) -> int:
        """Of all files that are there, those of the parts too."""
        own = sum((self.folder / path).stat().st_size for path in self.hashes if (self.folder / path).is_file())
        return own + sum(part.num_bytes for part in self.parts)

    def files(self) -> Iterator[tuple[str, Path, str | None]]:
        """What each file is called in a finding, where it lies, and its hash."""
        yield from ((path, self.folder / path, expected) for path, expected in self.hashes.items())
        for part in self.parts:
            yield from ((f"{part.name}/{name}", path, expected) for name, path, expected in part.files())


@dataclass(frozen=True)
class Finding:
    """What a check found. `checked` files are as they must be; the others are not, or cannot be told."""

    checked: tuple[str, ...]
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damaged or self.missing)


def holding(name: str) -> Holding:
    """What is kept under a name: imported, or pulled as a published checkpoint or as a Hub repository.

    Raises:
        UserError: nothing is, or nothing is known of its files.
    """
    if (record := records.read(name)) is not None:
        path = records.kept(name)
        folder = path if path is not None and path.is_dir() else records.models_folder()
        return Holding(name, folder, dict(record.files))
    variant = catalog.published().get(name)
    source = Source.of(variant) if variant else Source.parse(name)
    folder = hub_cache.snapshot(source) if source is not None else None
    if source is not None and folder is not None:
        held = _pulled(name, source, folder, variant.files if variant else ())
        return _with_parts(held, variant) if variant else held
    path = catalog.find(name).require_path()
    raise UserError(
        f"nothing tells what the files of {name} must be: it was neither pulled nor imported; it lies at {path}.\n"
        f"From an import on they can be verified: praxino models import {path} --name NAME"
    )


def verify(name: str, on_bytes: Callable[[int], None] = lambda _: None) -> Finding:
    """Read every file of a model and compare it with what it must be. Needs no network.

    Args:
        name: as for `holding`.
        on_bytes: called with the bytes of each piece that was read.

    Raises:
        UserError: there is nothing to compare.
    """
    held = holding(name)
    lacking = [*held.lacking, *(f"{part.name}/{path}" for part in held.parts for path in part.lacking)]
    groups: dict[str, list[str]] = {"checked": [], "damaged": [], "missing": lacking, "unknown": []}
    for name, path, expected in held.files():
        groups[_state(path, expected, on_bytes)].append(name)
    return Finding(**{state: tuple(paths) for state, paths in groups.items()})


def _state(file: Path, expected: str | None, on_bytes: Callable[[int], None]) -> str:
    if not file.is_file():
        return "missing"
    if expected is None:
        return "unknown"
    return "checked" if matches(file, expected, on_bytes) else "damaged"


def _with_parts(held: Holding, variant: Variant) -> Holding:
    parts, lacking = [], list(held.lacking)
    for part in variant.parts.values():
        source = Source.of_part(part)
        if (folder := hub_cache.snapshot(source)) is None:
            lacking.append(part.source)
        else:
            parts.append(_pulled(part.source, source, folder, part.files))
    return replace(held, lacking=tuple(lacking), parts=tuple(parts))


def _pulled(name: str, source: Source, folder: Path, patterns: tuple[str, ...]) -> Holding:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    lacking = tuple(missing(folder, source.inside, patterns))
    chosen = names if not (source.inside or patterns) or lacking else choose(names, source.inside, patterns).files
    return Holding(name, folder, {path: hub_cache.known_hash(folder / path) for path in sorted(chosen)}, lacking)
