"""Fetching a model: what it would take, and doing it. Files go into the Hugging Face cache, or nowhere.

Knows no network: an `Origin` does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from praxino.errors import ModelError, UserError
from praxino.families import Variant, downloads, families
from praxino.weights import catalog, hub_cache
from praxino.weights.completeness import missing
from praxino.weights.hub import Listing, RemoteFile
from praxino.weights.selection import Selection, choose
from praxino.weights.source import Source
from praxino.weights.transfer import Origin, Transfer, bytes_gathered, here

SPARE_BYTES = 2**28
"""Room that is left on the disk."""


@dataclass(frozen=True)
class Plan:
    """What a pull takes: nothing is fetched yet."""

    name: str
    """How the model is named afterwards: praxino -m NAME."""
    variant: Variant | None
    """The published checkpoint that it is; None for any other repository, and for a part of a checkpoint."""
    transfer: Transfer
    files: tuple[RemoteFile, ...]
    patterns: tuple[str, ...] = ()
    """What was chosen of the repository; each names a file of it."""
    is_part: bool = False
    """Whether it only comes with a checkpoint that is put together from it."""

    @property
    def source(self) -> Source:
        """The repository and revision."""
        return self.transfer.source

    @property
    def total_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size for file in self.files)

    @property
    def missing_files(self) -> list[RemoteFile]:
        """Those that are not in the cache, or not whole."""
        return [file for file in self.files if not here(self.source, self.transfer.listing, file)]

    @property
    def missing_bytes(self) -> int:
        """What has to come yet."""
        return sum(file.size - bytes_gathered(self.source, file) for file in self.missing_files)

    @property
    def licence(self) -> str:
        """In one line; "" when neither the variant nor the repository's card says."""
        return self.variant.licence if self.variant else self.transfer.listing.licence

    @property
    def gated(self) -> bool:
        """Whether the Hub asks for an account and an accepted licence."""
        return self.transfer.listing.gated or (self.variant is not None and self.variant.gated)


def plan(name: str, origin: Origin, revision: str | None = None) -> Plan:
    """Find out what a pull of one repository takes: of a checkpoint, without the parts that are of others.

    Args:
        name: a published checkpoint's name, a family's for its usual one, or owner/name of a repository, with a file
            or folder of it or without.
        origin: `Hub`, or a folder that was `Carried` here.
        revision: branch, tag or commit; the one that the checkpoint is known by when not given.

    Raises:
        UserError: there is nothing of that name, or it is only pickled.
        ModelError: the Hub cannot be reached, or the disk has not the room.
    """
    found = _of_checkpoint(name, origin, revision)
    _check_room((found,))
    return found


def plan_whole(names: Iterable[str], origin: Origin, revision: str | None = None) -> tuple[Plan, ...]:
    """Find out what pulls take, each with the parts that it is put together from before it; none of them twice.

    Takes and raises what `plan` does.
    """
    found: dict[tuple[Source, tuple[str, ...]], Plan] = {}
    for name in dict.fromkeys(names):
        main = _of_checkpoint(name, origin, revision)
        for part in main.variant.parts.values() if main.variant else ():
            key = Source.of_part(part), part.files
            if key not in found:
                found[key] = replace(_of_source(part.source, *key, origin), is_part=True)
        found[main.source, main.patterns] = main
    _check_room(tuple(found.values()))
    return tuple(found.values())


def _of_checkpoint(name: str, origin: Origin, revision: str | None) -> Plan:
    variant, source = _named(name, revision)
    meant = variant.name if variant and name in families() else name
    named = meant if variant and source == Source.of(variant) else str(source)
    return replace(_of_source(named, source, variant.files if variant else (), origin), variant=variant)


def _of_source(named: str, source: Source, patterns: tuple[str, ...], origin: Origin) -> Plan:
    listing = origin.list_files(source)
    _check_listing(source, listing)
    by_path = {file.path: file for file in listing.files}
    selection = choose(by_path, source.inside, patterns)
    _refuse_pickles(source, selection)
    files = tuple(by_path[path] for path in selection.files)
    return Plan(named, None, Transfer(origin, source, listing), files, patterns)


def fetch(planned: Plan, on_bytes: Callable[[int], None] = lambda _: None) -> Path:
    """Bring the files of a plan here; the model's folder or file.

    `on_bytes` is called with the number of bytes that came, a negative one when they have to come again.

    Raises:
        UserError: a file may not be read.
        ModelError: a file cannot be had, is not what it must be, or the disk is full. Whole files stay in the cache,
            and parts, to go on from; the model is not there before all of it is.
    """
    planned.transfer.bring(planned.missing_files, on_bytes)
    source, commit = planned.source, planned.transfer.listing.commit
    folder = hub_cache.place(source, commit, {f.path: _blob(source, f) for f in planned.files})
    if lacking := missing(folder, source.inside, planned.patterns):
        raise ModelError(
            f"{source.repo} is not whole: it lacks {', '.join(lacking[:3])}. "
            "Pull a revision that has them (--revision), or another repository."
        )
    return folder / source.inside if source.inside else folder


def _blob(source: Source, file: RemoteFile) -> Path:
    return hub_cache.repository(source.repo) / "blobs" / file.hash


def _named(name: str, revision: str | None) -> tuple[Variant | None, Source]:
    family = families().get(name)
    usual = next(iter(downloads(family)), None) if family else None
    variant = catalog.published().get(name) or usual
    source = Source.of(variant) if variant else Source.parse(name)
    if variant is not None and source is None:
        raise UserError(f"{name} ships with Praxino; there is nothing to pull.")
    if source is None:
        raise UserError(catalog.unknown(name) + "\nOf the Hub, name the repository: owner/name")
    if revision is not None:
        asked = Source.parse(f"{source.repo}@{revision}")
        if asked is None:
            raise UserError(f"--revision {revision!r} is no branch, tag or commit; see the commits of {source.repo}.")
        source = replace(source, revision=revision)
    return variant or _variant_of(source), source


def _variant_of(source: Source) -> Variant | None:
    """The one published checkpoint that lies there, when the repository was named instead of it."""
    place = (source.repo, source.inside)
    published = [(variant, Source.of(variant)) for variant in catalog.published().values()]
    found = [variant for variant, own in published if own is not None and (own.repo, own.inside) == place]
    return found[0] if len(found) == 1 else None


def _check_listing(source: Source, listing: Listing) -> None:
    outside = next((file.path for file in listing.files if not hub_cache.is_inside(file.path)), None)
    if outside is not None:
        raise ModelError(f"{source.repo} lists {outside!r}, which would lie outside of its folder; nothing is fetched.")
    if not hub_cache.is_commit(listing.commit) or not all(hub_cache.is_hash(file.hash) for file in listing.files):
        raise ModelError(
            f"{source.repo} is listed without its commit and hashes, so nothing could be checked; nothing is fetched.\n"
            "Name another mirror in HF_ENDPOINT, or unset it."
        )


def _refuse_pickles(source: Source, selection: Selection) -> None:
    if selection.pickles:
        first = selection.pickles[0]
        raise UserError(
            f"{source.repo} has {first} only as a pickle, which can run a program when it is loaded; not fetched.\n"
            f"Look for a repository with .safetensors files. If you trust this one: hf download {source.repo} {first}, "
            "then praxino models import FILE --name NAME --allow-pickle"
        )
    if not selection.files:
        raise UserError(f"{source} has no file that is of use here: no weights as .safetensors and no configs.")


def _check_room(planned: tuple[Plan, ...]) -> None:
    cache = hub_cache.root()
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.is_dir())
    free, needed = shutil.disk_usage(there).free, sum(one.missing_bytes for one in planned)
    if needed and needed + SPARE_BYTES > free:
        sources = " and ".join(str(one.source) for one in planned if one.missing_bytes)
        raise ModelError(
            f"{sources} takes {needed / 1e9:.1f} GB more, and {there} has {free / 1e9:.1f} GB free.\n"
            "Make room (praxino models remove NAME), or move the cache: set HF_HOME to a folder on a larger disk."
        )
