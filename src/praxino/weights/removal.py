"""Freeing what is kept here: an import, or what a pull brought into the Hugging Face cache. Nothing else is touched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.errors import ModelError, UserError
from praxino.families import Variant
from praxino.weights import catalog, hub_cache, records
from praxino.weights.fingerprint import size_bytes
from praxino.weights.selection import WEIGHTS, matching
from praxino.weights.source import Source

if TYPE_CHECKING:
    from huggingface_hub import CachedRevisionInfo, HFCacheInfo


@dataclass(frozen=True)
class Freed:
    """What was, or would be, given back."""

    num_bytes: int
    paths: tuple[Path, ...]


def remove(name: str, *, dry_run: bool = False) -> Freed:
    """Delete an import, or a pulled model; files that another pulled checkpoint needs stay.

    Args:
        name: of an import, of a published checkpoint, or of a Hub repository.
        dry_run: only tell what would go.

    Raises:
        UserError: nothing of that name was imported or pulled.
        ModelError: the cache is damaged.
    """
    if records.read(name) is not None:
        return _remove_import(name, dry_run)
    variant = catalog.published().get(name)
    source = Source.of(variant) if variant else Source.parse(name)
    claims = [claim for claim in _claims(variant, source) if hub_cache.snapshot(claim.source) is not None]
    if claims:
        return _together([_remove_pulled(claim, variant, dry_run) for claim in claims])
    if source is not None and not hub_cache.revisions(source.repo) and hub_cache.repository(source.repo).is_dir():
        return _remove_folder(hub_cache.repository(source.repo), dry_run)  # of a pull that never got to its end
    path = catalog.find(name).require_path()
    raise UserError(f"{name} was neither imported nor pulled, so it is not removed; it lies at {path}.")


@dataclass(frozen=True)
class _Claim:
    """What of a repository a model needs."""

    source: Source
    patterns: tuple[str, ...]

    def files(self, names: set[str]) -> set[str]:
        """Those among the names of a snapshot's files; all without a place in it or patterns."""
        if not (self.source.inside or self.patterns):
            return set(names)
        wanted = (self.source.inside, *self.patterns)
        return {name for pattern in wanted if pattern for name in matching(names, pattern)}


def _claims(variant: Variant | None, source: Source | None) -> list[_Claim]:
    """Of a model and of what it is put together from."""
    own = [] if source is None else [_Claim(source, variant.files if variant else ())]
    parts = variant.parts.values() if variant else ()
    return own + [_Claim(Source.of_part(part), part.files) for part in parts]


def _together(freed: list[Freed]) -> Freed:
    return Freed(sum(one.num_bytes for one in freed), tuple(path for one in freed for path in one.paths))


def _remove_import(name: str, dry_run: bool) -> Freed:
    path = records.kept(name)
    freed = _remove_folder(path, dry_run) if path is not None else Freed(0, ())
    if not dry_run:
        records.record_path(name).unlink()
    return freed


def _remove_folder(path: Path, dry_run: bool) -> Freed:
    freed = Freed(size_bytes(path), (path,))
    if not dry_run:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return freed


def _remove_pulled(claim: _Claim, variant: Variant | None, dry_run: bool) -> Freed:
    from huggingface_hub import scan_cache_dir

    scanned = scan_cache_dir(hub_cache.root())
    revision = _revision(scanned, claim.source)
    files = {file.file_path.relative_to(revision.snapshot_path).as_posix(): file for file in revision.files}
    if not (going := _going(claim, variant, set(files))):
        return Freed(0, ())
    if len(going) == len(files):
        strategy, paths = scanned.delete_revisions(revision.commit_hash), [revision.snapshot_path]
    else:
        chosen = [files[name] for name in sorted(going)]
        strategy, paths = scanned.delete_files(*chosen), [file.file_path for file in chosen]
    if not dry_run:
        strategy.execute()
    return Freed(strategy.expected_freed_size, tuple(paths))


def _revision(scanned: HFCacheInfo, source: Source) -> CachedRevisionInfo:
    commit = hub_cache.commit_of(source)
    for repository in scanned.repos:
        if repository.repo_id == source.repo and repository.repo_type == "model":
            for revision in repository.revisions:
                if revision.commit_hash == commit:
                    return revision
    folder = hub_cache.repository(source.repo)
    raise ModelError(f"{folder} is damaged, so its files cannot be told apart; delete that folder.")


def _going(claim: _Claim, variant: Variant | None, names: set[str]) -> set[str]:
    """The files of a snapshot to delete: not those of other pulled checkpoints, and all once no weights are left."""
    going = claim.files(names)
    others = [] if variant is None else [entry for entry in catalog.entries() if entry.variant.name != variant.name]
    for other in others:
        if other.kept != "pulled":
            continue
        for claimed in _claims(other.variant, Source.of(other.variant)):
            if (claimed.source.repo, claimed.source.revision) == (claim.source.repo, claim.source.revision):
                going -= claimed.files(names)
    return going if any(name.endswith(WEIGHTS) for name in names - going) else names
