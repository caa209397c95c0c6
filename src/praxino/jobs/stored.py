"""Results in an object store, or whatever else fsspec reaches; the folder of the machine is a cache of them then.

    <store>/store.json              which database the store belongs to
    <store>/results/<job id>/<token>/...

A file is in the store before a row names it. Saved states stay in the machine's folder: a job goes on from one where
machines share that folder, and begins anew on a machine that does not.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.jobs.files import MARKER, ResultFolder
from praxino.jobs.job import Lease, ResultFile


class StoredResults(ResultFolder):
    """A results folder whose finished files are kept in a store.

    Args:
        root: the machine's folder.
        store_id: of the database that both belong to.
        url: of the store, as in s3://bucket/praxino, gs://..., file:///mnt/results.
        has_results: whether that database knows of results; a store without its marker is refused then.

    Raises:
        UserError: fsspec has no such store or lacks its library, it cannot be written, or is another database's.
    """

    def __init__(self, root: Path, store_id: str, url: str, *, has_results: bool = False) -> None:
        super().__init__(root, store_id)
        self._files, self._prefix = _opened(url)
        try:
            with _as_os_error():
                self._claim_store(url, store_id, has_results)
        except OSError as problem:
            raise UserError(f"the store {url} cannot be used: {problem}.") from problem

    def _claim_store(self, url: str, store_id: str, has_results: bool) -> None:
        marker = f"{self._prefix}/{MARKER}"
        if self._files.exists(marker):
            if json.loads(self._files.cat_file(marker)).get("store") != store_id:
                raise UserError(f"the store {url} belongs to another database; name another one.")
            return
        if has_results:
            raise UserError(f"the store {url} is empty, but the database knows of results; is it the right one?")
        self._files.makedirs(f"{self._prefix}/results", exist_ok=True)
        self._files.pipe_file(marker, json.dumps({"store": store_id}).encode())

    def path(self, file: ResultFile) -> Path:
        """Where a result's file lies on this machine; it is fetched when it is not there. Raises OSError."""
        path = super().path(file)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
            try:
                with _as_os_error():
                    self._files.get_file(self._remote(file.name), str(temporary))
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        return path

    def holds(self, file: ResultFile) -> bool:
        """Whether the store has a result's file. Raises OSError when it cannot tell."""
        with _as_os_error():
            remote = self._remote(file.name)
            return self._files.exists(remote) and self._files.size(remote) == file.num_bytes

    def write(self, lease: Lease, save: Callable[[Path], object]) -> list[ResultFile]:
        """As of a folder; the files are in the store when this returns. Raises OSError."""
        files = super().write(lease, save)
        with _as_os_error():
            for file in files:
                remote = self._remote(file.name)
                self._files.makedirs(remote.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(super().path(file)), remote)
        return files

    def remove_result(self, job_id: str, token: int) -> None:
        """Remove what an attempt has written, here and in the store."""
        super().remove_result(job_id, token)
        remote = self._remote(f"{job_id}/{token}")
        with _as_os_error():
            if self._files.exists(remote):
                self._files.rm(remote, recursive=True)

    def results(self) -> list[tuple[str, int]]:
        """Job and token of every result that lies here or in the store."""
        with _as_os_error():
            self._files.invalidate_cache()
            found = self._files.find(self._remote(""))
        inside = [name.rpartition("/results/")[2].split("/") for name in found]
        stored = {(parts[0], int(parts[1])) for parts in inside if len(parts) > 2 and parts[1].isdigit()}
        return sorted({*super().results(), *stored})

    def _remote(self, name: str) -> str:
        return f"{self._prefix}/results/{name}".rstrip("/")


def _opened(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        files, prefix = url_to_fs(url)
    except (ImportError, ValueError, OSError) as problem:
        raise UserError(f"the store {url[:100]!r} cannot be opened: {problem}.") from problem
    return files, prefix.rstrip("/")


@contextmanager
def _as_os_error() -> Iterator[None]:
    """What stores raise, each its own library's errors, as the error of a disk."""
    try:
        yield
    except (OSError, UserError):
        raise
    except Exception as problem:
        raise OSError(f"{type(problem).__name__}: {problem}") from problem
