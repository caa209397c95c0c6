"""The Hugging Face cache on this machine, shared with every other tool that uses it: read, and written file by file.

Its layout is that of huggingface_hub (the guide "Understand caching"): `models--owner--name` holds `blobs/HASH`, links
`snapshots/COMMIT/path` to them, and `refs/REVISION` with a commit. huggingface_hub is not imported here: naming a model
must stay quick. Knows no network.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path, PurePosixPath

from praxino.errors import ModelError
from praxino.weights.source import Source

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def root() -> Path:
    """The cache's folder, from the same variables and defaults as huggingface_hub's."""
    environ = os.environ
    user = environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = environ.get("HF_HOME", os.path.join(user, "huggingface"))
    chosen = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return Path(os.path.expandvars(os.path.expanduser(chosen)))


def repository(repo: str, cache: Path | None = None) -> Path:
    """The folder of a repository, there or not."""
    return (cache or root()) / f"models--{repo.replace('/', '--')}"


def commit_of(source: Source, cache: Path | None = None) -> str | None:
    """The commit that the source's revision meant when it was fetched; None when it never was."""
    if is_commit(source.revision):
        return source.revision
    try:
        return (repository(source.repo, cache) / "refs" / source.revision).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def snapshot(source: Source, cache: Path | None = None) -> Path | None:
    """The folder of the source's files at its revision, complete or not; None when there is none."""
    commit = commit_of(source, cache)
    folder = repository(source.repo, cache) / "snapshots" / commit if commit else None
    return folder if folder is not None and folder.is_dir() else None


def revisions(repo: str) -> list[str]:
    """The branches, tags and commits of a repository that are here."""
    folder = repository(repo)
    refs = [path for path in (folder / "refs").rglob("*") if path.is_file()]
    named = {path.relative_to(folder / "refs").as_posix(): path.read_text(encoding="utf-8").strip() for path in refs}
    commits = {path.name for path in (folder / "snapshots").glob("*")}
    return sorted(named) + sorted(commits - set(named.values()))


def known_hash(file: Path) -> str | None:
    """The hash that a snapshot's file must have: the name of its blob. None where links are not possible."""
    name = Path(os.readlink(file)).name if file.is_symlink() else ""
    return name if is_hash(name) else None


def place(source: Source, commit: str, files: dict[str, Path]) -> Path:
    """Put blobs into the snapshot of a commit under their paths, then let the revision mean that commit.

    Raises:
        ModelError: a path leads out of the snapshot.
    """
    folder = repository(source.repo) / "snapshots" / commit
    for name, blob in files.items():
        if not is_inside(name):
            raise ModelError(f"{source.repo} names a file {name!r}, which would lie outside of its folder; not taken.")
        pointer = folder / name
        if not _points_to(pointer, blob):
            pointer.parent.mkdir(parents=True, exist_ok=True)
            _link(pointer, blob)
    if source.revision != commit:
        _write_ref(repository(source.repo) / "refs" / source.revision, commit)
    return folder


def is_commit(text: str) -> bool:
    """Whether a text is the name of a commit, and so of a snapshot."""
    return _COMMIT.fullmatch(text) is not None


def is_hash(text: str) -> bool:
    """Whether a text is a hash, and so the name of a blob."""
    return _BLOB.fullmatch(text) is not None


def is_inside(name: str) -> bool:
    """Whether a path of a repository stays within its folder on every system."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and not set(name) & set('\\:\0<>|"?*')


def _points_to(pointer: Path, blob: Path) -> bool:
    if pointer.is_symlink():
        return known_hash(pointer) == blob.name and pointer.exists()
    return pointer.is_file() and not blob.exists()


def _link(pointer: Path, blob: Path) -> None:
    """As huggingface_hub does: a relative link, or the file itself where links are not possible."""
    fresh = _beside(pointer)
    try:
        fresh.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        os.replace(blob, pointer)
    else:
        os.replace(fresh, pointer)


def _write_ref(path: Path, commit: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(path)
    fresh.write_text(commit, encoding="utf-8")
    os.replace(fresh, path)


def _beside(path: Path) -> Path:
    """A name that no other process or thread uses, to be renamed to `path`."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
