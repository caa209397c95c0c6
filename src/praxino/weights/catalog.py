"""The models that a name can mean: bundled, imported, pulled into the Hugging Face cache, or at any path on disk.

Imports neither torch nor huggingface_hub: naming a model must be quick.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from praxino.errors import UserError
from praxino.families import HOMES, PARTS, Family, Part, Variant, _original, downloads, families
from praxino.weights import hub_cache, listing, records
from praxino.weights.completeness import missing
from praxino.weights.fingerprint import fingerprint
from praxino.weights.selection import PICKLES, WEIGHTS, choose
from praxino.weights.source import Source

Kept = Literal["bundled", "imported", "placed", "pulled", "at a path", ""]
"""How a model is kept: "placed" by hand in PRAXINO_HOME/models; "" when it is not on this machine."""


@dataclass(frozen=True)
class Entry:
    """One model, present or only known of."""

    name: str
    family: Family
    variant: Variant
    path: Path | None
    """None when it is known but not on this machine."""

    def require_path(self) -> Path:
        """The model's folder or file.

        Raises:
            UserError: the model is not on this machine, or not all that it is put together from.
        """
        if self.path is None:
            raise UserError(
                f"the model {self.name!r} is not on this machine.\n"
                f"Fetch it: praxino models pull {self.name} (or give the folder or file of a copy: -m FOLDER)"
            )
        if self.lacking:
            raise UserError(
                f"{self.name} is put together with {' and '.join(self.lacking)}, not on this machine, or not whole.\n"
                f"Fetch all of it: praxino models pull {self.variant.name}"
            )
        return self.path

    @property
    def lacking(self) -> list[str]:
        """The repositories of the parts that it is put together from, as far as those are not on this machine."""
        here = self.variant.options.get(PARTS, {})
        return [part.source for name, part in self.variant.parts.items() if name not in here]

    def fingerprint(self) -> str:
        """Tells two states of the model apart, its parts among them: 32 hex digits. Raises as `require_path` does."""
        own, here = fingerprint(self.require_path()), self.variant.options.get(PARTS, {})
        parts = [fingerprint(Path(here[name]), part.files) for name, part in sorted(self.variant.parts.items())]
        return hashlib.sha256("".join([own, *parts]).encode()).hexdigest()[:32] if parts else own

    @property
    def kept(self) -> Kept:
        """How it is kept."""
        if self.path is None:
            return ""
        if self.path.is_relative_to(bundled_folder()):
            return "bundled"
        if self.path.is_relative_to(hub_cache.root()) and (self.name in published() or Source.parse(self.name)):
            return "pulled"
        if self.path.parent == records.models_folder():
            return "imported" if records.read(self.name) else "placed"
        return "at a path"


def bundled_folder() -> Path:
    """The folder of the models that ship in the package."""
    return Path(str(files("praxino"))) / "assets"


def published() -> dict[str, Variant]:
    """Every checkpoint that the families know of, by name."""
    return {variant.name: variant for family in families().values() for variant in family.variants.values()}


def entries() -> list[Entry]:
    """Every known model: bundled and imported ones first, then what the families know of, pulled or not."""
    found = _local()
    for family in families().values():
        for variant in family.variants.values():
            if variant.name not in found:
                found[variant.name] = _published_entry(family, variant)
    return list(found.values())


def _local() -> dict[str, Entry]:
    """The bundled and imported models by name."""
    found: dict[str, Entry] = {}
    for entry in (*_in_folder(bundled_folder()), *_in_folder(records.models_folder())):
        found.setdefault(entry.name, entry)
    return found


def _locally(name: str) -> Entry | None:
    """The bundled or imported model of a name. The others are not looked at: there may be many."""
    if "/" in name:
        return None
    folders = bundled_folder(), records.models_folder()
    return next((entry for folder in folders for entry in _in_folder(folder, name)), None)


def _published_entry(family: Family, variant: Variant) -> Entry:
    """A published checkpoint; of one that is here, with where it lies, as its family says that."""
    path = _pulled(variant)
    if path is not None and (found := identify(path)) is not None and found.family is family:
        homes = {name: found.variant.options[name] for name in HOMES if name in found.variant.options}
        variant = dataclasses.replace(variant, options={**variant.options, **homes})
    entry = _put_together(Entry(variant.name, family, variant, path))
    return dataclasses.replace(entry, path=None) if entry.lacking else entry


def _put_together(entry: Entry) -> Entry:
    """The same with where its parts lie, as far as they are on this machine."""
    here = {name: str(path) for name, part in entry.variant.parts.items() if (path := _part(part)) is not None}
    if not here:
        return entry
    options = {**entry.variant.options, PARTS: here}
    return dataclasses.replace(entry, variant=dataclasses.replace(entry.variant, options=options))


def _part(part: Part) -> Path | None:
    return _whole(Source.of_part(part), part.files)


def find(name: str) -> Entry:
    """The model of a name, at a path, or of a Hub repository (owner/name, with @revision or without).

    A family's name stands for its usual checkpoint, or for the first other that is here where that one is not.

    Raises:
        UserError: there is none; the message has the nearest names, or how to fetch it.
    """
    if (entry := _locally(name)) is not None:
        return entry
    for family in families().values():
        if name in family.variants:
            return _published_entry(family, family.variants[name])
    if (family := families().get(name)) is not None:
        meant = [_locally(variant.name) or _published_entry(family, variant) for variant in downloads(family)]
        return next((entry for entry in meant if entry.path is not None), meant[0])
    path = _existing(Path(name).expanduser()) or _of_repository(name)
    if path is None:
        raise UserError(_absent(name))
    if (original := _original.find(path)) is not None and not original.runs:
        raise UserError(_not_taken_in(name, original))
    _refuse_pickle(path)
    if (entry := identify(path, name)) is not None:
        if pickled := _needed_pickle(path):
            _refuse_pickle(pickled, path)
        return entry
    raise UserError(
        f"{name} holds no checkpoint that is known here; a diffusers folder with a model_index.json or a "
        f".safetensors file of one of these families is: {', '.join(sorted(families()))}."
    )


def locate(name: str) -> Path:
    """Where a companion lies: at a path, imported or pulled under a name, or in a Hub repository.

    Raises:
        UserError: it is not on this machine, or it is a pickle.
    """
    if path := _existing(Path(name).expanduser()) or _imported(name):
        _refuse_pickle(path)
        return path
    if name in published():
        return find(name).require_path()
    if path := _of_repository(name):
        return path
    source = Source.parse(name)
    if source is not None:
        raise UserError(_not_pulled(name, source))
    raise UserError(
        f"{name[:200]} is not on this machine: there is no such file or folder, and no import of that name."
    )


def check_here(names: Iterable[str]) -> None:
    """Refuse what `locate` does not find, with one command for all that can be fetched. Raises UserError."""
    problems: dict[str, UserError] = {}
    for name in names:
        try:
            locate(name)
        except UserError as problem:
            problems[name] = problem
    can_be_had = [name for name in problems if name in published() or Source.parse(name)]
    if len(can_be_had) == len(problems) > 1:
        raise UserError(
            f"this takes {' and '.join(problems)} beside the model, which are not on this machine.\n"
            f"Fetch them: praxino models pull {' '.join(problems)}"
        )
    for problem in problems.values():
        raise problem


def locate_file(name: str) -> Path:
    """As `locate`, for what is one file, as a LoRA is: the only weights of a folder stand for it.

    Raises:
        UserError: it is not on this machine, or there are several files to choose from.
    """
    path = locate(name)
    if not path.is_dir():
        return path
    found = sorted(path.glob(f"*{WEIGHTS}"))
    if len(found) == 1:
        return found[0]
    choice = ", ".join(file.name for file in found[:5]) or "none"
    raise UserError(f"{name} is a folder, and one {WEIGHTS} file is needed; name one in it: {name}/FILE ({choice}).")


def identify(path: Path, name: str = "") -> Entry | None:
    """The model that lies at a path; None when no family knows it."""
    known = tuple((known, id(family)) for known, family in families().items())
    entry = _identified(path, name, listing.state(path), known)
    return entry and _put_together(entry)


@lru_cache(maxsize=256)
def _identified(
    path: Path, name: str, state: tuple[listing.File, ...], known: tuple[tuple[str, int], ...]
) -> Entry | None:
    """Read once a process, as long as the state and the known families stay the same, since it takes milliseconds."""
    for family in families().values():
        if (variant := family.identify(path)) is not None:
            return Entry(name, family, variant, path)
    return None


def unknown(name: str) -> str:
    """The sentence for a name that means nothing, with the nearest ones that do."""
    known = [entry.name for entry in entries()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "praxino models list shows those there are."
    return f"there is no model {name[:200]!r}; {hint}"


def _absent(name: str) -> str:
    source = Source.parse(name)
    if source is not None:
        return _not_pulled(name, source)
    return unknown(name) + "\nA file or folder can be named too, or a Hub repository: owner/name"


def _not_taken_in(name: str, original: _original.Original) -> str:
    pickled = next((file.name for file in original.files if file.name.endswith(PICKLES)), None)
    why = f"; {pickled} is a pickle, which could run a program" if pickled else ""
    allow = " --allow-pickle" if pickled else ""
    return (
        f"{name} is a checkpoint as {original.title}'s authors publish it, and is not run as it lies there{why}.\n"
        f"Take it in once, then draw with -m NAME: praxino models import {name} --name NAME{allow}"
    )


def _refuse_pickle(path: Path, origin: Path | None = None) -> None:
    """Raise UserError for a pickle, with how to make a safe copy of it, or of the folder that it is from."""
    if path.is_file() and path.name.endswith(PICKLES):
        raise UserError(
            f"{path} is a pickle, which can run a program when it is loaded; look for the same as {WEIGHTS}.\n"
            f"If you trust it, make a safe copy: praxino models import {origin or path} --name NAME --allow-pickle"
        )


def _needed_pickle(folder: Path) -> Path | None:
    """A network of a folder of which there are only pickles; None where there is none."""
    if not folder.is_dir():
        return None
    name = _pickle_among(tuple(file.name for file in listing.files_below(folder)))
    return folder / name if name else None


@lru_cache(maxsize=64)
def _pickle_among(names: tuple[str, ...]) -> str:
    return next((name for name in choose(names).pickles if not name.startswith("safety_checker/")), "")


def _not_pulled(name: str, source: Source) -> str:
    if here := [revision for revision in hub_cache.revisions(source.repo) if revision != source.revision]:
        return (
            f"{name} is not on this machine at revision {source.revision!r}, or not whole; here: {', '.join(here)}.\n"
            f"Fetch it: praxino models pull {name} (or name another one: {source.repo}@{here[0]})"
        )
    return f"{name} is not on this machine: no such file or folder, not pulled.\nFetch it: praxino models pull {name}"


def _in_folder(folder: Path, wanted: str | None = None) -> Iterator[Entry]:
    """The models in a folder, or those of a name."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.stem if path.is_file() else path.name
        if path.name.startswith(".") or wanted not in (None, name):
            continue
        if (entry := identify(path, name)) is not None:
            yield entry


def _pulled(variant: Variant) -> Path | None:
    """Where a published checkpoint lies in the Hugging Face cache, if all of it does."""
    source = Source.of(variant)
    return _whole(source, variant.files) if source is not None else None


def _of_repository(name: str) -> Path | None:
    source = Source.parse(name)
    return _whole(source, ()) if source is not None else None


def _whole(source: Source, patterns: tuple[str, ...]) -> Path | None:
    folder = hub_cache.snapshot(source)
    if folder is None or missing(folder, source.inside, patterns):
        return None
    return folder / source.inside if source.inside else folder


def _imported(name: str) -> Path | None:
    return records.kept(name.replace("/", "--"))


def _existing(path: Path) -> Path | None:
    try:
        return path if path.exists() else None
    except (OSError, ValueError):
        return None
