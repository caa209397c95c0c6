"""Brings files into the cache's blobs: several at once, hashes checked, going on from an interrupted transfer.

huggingface_hub, when interrupted, throws away the part of a file that had come (2.4, `_download_to_tmp_and_move`). Here
it stays as `blobs/HASH.incomplete`, under the same lock that huggingface_hub takes. Knows no network.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from praxino.errors import Cancelled, ModelError, PraxinoError
from praxino.weights import hub_cache
from praxino.weights.hashes import matches
from praxino.weights.hub import Listing, RemoteFile
from praxino.weights.source import Source

WORKERS = 4
"""Files in flight: one connection seldom fills a line."""
_STOP_SECONDS = 10
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _DiskFull(ModelError):
    """No room for the rest; what was gathered is given back."""


class Origin(Protocol):
    """Where files come from: `Hub`, or a folder that was `Carried` here."""

    def list_files(self, source: Source) -> Listing:
        """What there is of a source."""
        ...

    def fetch(
        self, source: Source, listing: Listing, file: RemoteFile, part: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """Bring `part` to the file's full size, going on from the bytes that it has."""
        ...


def blob_of(source: Source, file: RemoteFile) -> Path:
    """Where a file's bytes lie in the cache."""
    return hub_cache.repository(source.repo) / "blobs" / file.hash


def part_of(blob: Path) -> Path:
    """Where they gather until they are all there and right."""
    return blob.with_name(f"{blob.name}.incomplete")


def here(source: Source, listing: Listing, file: RemoteFile) -> bool:
    """Whether a file is in the cache, whole (its hash was checked when it came)."""
    pointer = hub_cache.repository(source.repo) / "snapshots" / listing.commit / file.path
    return any(path.is_file() and path.stat().st_size == file.size for path in (blob_of(source, file), pointer))


def bytes_gathered(source: Source, file: RemoteFile) -> int:
    """What an interrupted transfer left of a file."""
    part = part_of(blob_of(source, file))
    return min(part.stat().st_size, file.size) if part.is_file() else 0


@dataclass(frozen=True)
class Transfer:
    """A source at one commit, and where it comes from."""

    origin: Origin
    source: Source
    listing: Listing

    def bring(self, files: list[RemoteFile], on_bytes: Callable[[int], None]) -> None:
        """Bring files in, the largest first. `on_bytes` is called in this thread.

        Raises:
            UserError: a file may not be read.
            ModelError: it cannot be had, is not what it must be, or the disk is full.
        """
        todo: SimpleQueue[RemoteFile] = SimpleQueue()
        for file in sorted(files, key=lambda file: file.size, reverse=True):
            todo.put(file)
        told: SimpleQueue[Any] = SimpleQueue()
        stop = threading.Event()

        def report(num_bytes: int) -> None:
            if stop.is_set():
                raise Cancelled("")
            told.put(num_bytes)

        def work() -> None:
            try:
                while not stop.is_set():
                    self._bring_one(todo.get_nowait(), report)
            except Empty:
                told.put(None)
            except BaseException as problem:  # handed to the thread that waits
                told.put(problem)

        # Daemons: a program that was interrupted must not wait for them.
        workers = [threading.Thread(target=work, daemon=True) for _ in range(min(WORKERS, len(files)))]
        for worker in workers:
            worker.start()
        try:
            _listen(told, len(workers), on_bytes)
        except PraxinoError as problem:
            stop.set()
            for worker in workers:
                worker.join(_STOP_SECONDS)
            for file in files if isinstance(problem, _DiskFull) else ():
                part_of(blob_of(self.source, file)).unlink(missing_ok=True)
            raise
        finally:
            stop.set()

    def _bring_one(self, file: RemoteFile, on_bytes: Callable[[int], None]) -> None:
        from huggingface_hub.utils import WeakFileLock

        blob = blob_of(self.source, file)
        folder = hub_cache.repository(self.source.repo)
        lock = folder.parent / ".locks" / folder.name / f"{file.hash}.lock"
        for parent in (blob.parent, lock.parent):
            parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            if not blob.exists() or blob.stat().st_size != file.size:
                self._gather(file, part_of(blob), on_bytes)
                os.replace(part_of(blob), blob)

    def _gather(self, file: RemoteFile, part: Path, on_bytes: Callable[[int], None]) -> None:
        if part.is_file() and part.stat().st_size > file.size:
            part.unlink()
        try:
            self.origin.fetch(self.source, self.listing, file, part, on_bytes)
        except OSError as problem:
            if problem.errno in _FULL:
                raise _DiskFull(
                    f"the disk is full: {file.path} ({file.size / 1e9:.1f} GB) did not fit into {part.parent}.\n"
                    "Make room, or move the cache: set HF_HOME to a folder on a larger disk. Nothing half is left."
                ) from problem
            reason = f": {problem.strerror}" if problem.strerror else ""
            raise ModelError(f"{file.path} did not come whole{reason}; the same command goes on from it.") from problem
        if not matches(part, file.hash):
            part.unlink()
            raise ModelError(
                f"{file.path} of {self.source.repo} came with a wrong hash (not {file.hash[:12]}); it was deleted.\n"
                "Pull again; if it stays so, the mirror or the folder that it comes from is damaged."
            )


def _listen(told: SimpleQueue[Any], num_workers: int, on_bytes: Callable[[int], None]) -> None:
    while num_workers:
        item = told.get()
        if item is None:
            num_workers -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            on_bytes(item)
