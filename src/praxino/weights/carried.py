"""Files of a Hub repository that were carried here in a folder, for a machine without the network.

Two kinds of folder tell what each file must be, and are taken: a Hugging Face cache (or one repository's folder of it),
and a folder that `hf download --local-dir` wrote. Knows nothing of this machine's own cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import UserError
from praxino.weights import hub_cache
from praxino.weights.hub import Listing, RemoteFile
from praxino.weights.source import Source

_PIECE_BYTES = 2**24
_DOWNLOADS = Path(".cache", "huggingface", "download")
"""Where `hf download --local-dir` notes each file's commit and hash, a line each."""


@dataclass(frozen=True)
class Carried:
    """A folder with the files of a repository: what `Hub` is with a network."""

    folder: Path

    def list_files(self, source: Source) -> Listing:
        """What the folder holds of the source.

        Raises:
            UserError: it holds nothing of it, or does not tell what the files must be.
        """
        if not self.folder.is_dir():
            raise UserError(f"there is no folder {self.folder}; give the one that was carried here.")
        cache = self._cache(source)
        if cache is not None:
            return _cached(source, cache)
        if (self.folder / _DOWNLOADS).is_dir():
            return self._downloaded(source)
        raise UserError(
            f"{self.folder} is neither a Hugging Face cache with {source.repo} in it nor a folder that "
            "`hf download --local-dir` wrote.\n"
            f"Plain files are taken in under a name of their own: praxino models import {self.folder} --name NAME"
        )

    def fetch(
        self, source: Source, listing: Listing, file: RemoteFile, part: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """Copy the rest of a file to the end of `part`; `on_bytes` is called with the bytes of each piece."""
        cache = self._cache(source)
        folder = hub_cache.repository(source.repo, cache) / "snapshots" / listing.commit if cache else self.folder
        with (folder / file.path).open("rb") as found, part.open("ab") as stream:
            found.seek(stream.tell())
            while piece := found.read(_PIECE_BYTES):
                on_bytes(len(piece))
                stream.write(piece)

    def _cache(self, source: Source) -> Path | None:
        """The cache that the folder is, holds, or is a repository of."""
        name = hub_cache.repository(source.repo).name
        if self.folder.absolute().name == name:
            return self.folder.absolute().parent
        return next((cache for cache in (self.folder, self.folder / "hub") if (cache / name).is_dir()), None)

    def _downloaded(self, source: Source) -> Listing:
        notes = self.folder / _DOWNLOADS
        files, commits = [], set()
        for note in sorted(notes.rglob("*.metadata")):
            path = note.relative_to(notes).as_posix().removesuffix(".metadata")
            if (self.folder / path).is_file():
                commit, digest = note.read_text(encoding="utf-8").splitlines()[:2]
                commits.add(commit)
                files.append(RemoteFile(path, (self.folder / path).stat().st_size, digest))
        if len(commits) != 1:
            raise UserError(f"{self.folder} holds files of {len(commits)} commits; download one revision into it.")
        return Listing(commits.pop(), tuple(files))


def _cached(source: Source, cache: Path) -> Listing:
    folder = hub_cache.snapshot(source, cache)
    if folder is None:
        raise UserError(f"{cache} has {source.repo}, but not its revision {source.revision!r}; choose with --revision.")
    files = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest = hub_cache.known_hash(path)
        if digest is None:
            raise UserError(
                f"{path} is no link to its blob, so nothing tells what it must be.\n"
                "Carry the cache with its links (tar, rsync -a, cp -a), or take the files in under a name: "
                f"praxino models import {folder} --name NAME"
            )
        files.append(RemoteFile(path.relative_to(folder).as_posix(), path.stat().st_size, digest))
    return Listing(folder.name, tuple(files))
