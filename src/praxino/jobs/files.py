"""The folder that servers and workers share: results, saved states, and what is being written. Knows no database.

    store.json                      which database the folder belongs to
    results/<job id>/<token>/...    finished files; only those that a job's row names are truth
    states/<job id>/<token>/...     where an attempt saves its state; the next one goes on from a copy
    writing/<job id>.<token>/...    results that are not yet whole

Every attempt writes under its own fencing token, so one that has lost its lease disturbs nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from praxino.errors import UserError
from praxino.jobs import faults
from praxino.jobs.job import Lease, ResultFile

MARKER = "store.json"
PREVIEW = "preview.png"
"""Of a run in hand, in the folder of its attempt's state."""


class ResultFolder:
    """An open results folder.

    Args:
        root: the folder; made when missing.
        store_id: of the database that it belongs to (`Store.store_id`).
        has_results: whether that database knows of results; a folder without its marker is refused then.

    Raises:
        UserError: it cannot be written, belongs to another database, or is empty though there are results.
    """

    def __init__(self, root: Path, store_id: str, *, has_results: bool = False) -> None:
        self.root = root
        self._store_id = store_id
        try:
            self._claim(has_results)
        except OSError as problem:
            raise UserError(f"the results folder {root} cannot be written: {problem.strerror}.") from problem

    def _claim(self, has_results: bool) -> None:
        for name in ("results", "states", "writing"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        marker = self.root / MARKER
        if marker.exists():
            if not self.is_ours():
                raise UserError(f"the results folder {self.root} belongs to another database; name another folder.")
            return
        if has_results:
            raise UserError(
                f"the results folder {self.root} is empty, but the database knows of results; is it mounted?\n"
                f"If they are to be forgotten, delete those jobs, or write their database's name into {marker}."
            )
        temporary = marker.with_name(f".{MARKER}.{os.getpid()}.part")
        temporary.write_text(json.dumps({"store": self._store_id}), encoding="utf-8")
        temporary.replace(marker)

    def is_ours(self) -> bool:
        """Whether the folder is there and belongs to the database."""
        try:
            return json.loads((self.root / MARKER).read_text(encoding="utf-8")).get("store") == self._store_id
        except (OSError, ValueError):
            return False

    def path(self, file: ResultFile) -> Path:
        """Where a result's file lies."""
        return self.root / "results" / file.name

    def holds(self, file: ResultFile) -> bool:
        """Whether a result's file is there, whole. Raises OSError when it cannot be told."""
        try:
            return (self.root / "results" / file.name).stat().st_size == file.num_bytes
        except FileNotFoundError:
            return False

    def preview(self, job_id: str, token: int) -> Path:
        """Where an attempt's newest preview lies, if it has one."""
        return self.root / "states" / job_id / str(token) / PREVIEW

    def prepare_state(self, lease: Lease, *, fresh: bool) -> Path:
        """The folder for an attempt's state, with a copy of the newest one before unless it is to start afresh.

        Files in it must be replaced as a whole, never changed in place: a copy is a second name for the same file.
        """
        of_job = self.root / "states" / lease.job_id
        folder = of_job / str(lease.token)
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            return folder
        for before in sorted(_tokens(of_job), reverse=True):
            if before < lease.token and _link_files(of_job / str(before), folder):
                break
        return folder

    def write(self, lease: Lease, save: Callable[[Path], object]) -> list[ResultFile]:
        """Let `save` write files into a new folder; when it returns they are on disk, under their final names.

        Raises:
            OSError: the disk is full, or gone. Nothing is left behind then.
        """
        writing = self.root / "writing" / f"{lease.job_id}.{lease.token}"
        final = self.root / "results" / lease.job_id / str(lease.token)
        for old in (writing, final):
            shutil.rmtree(old, ignore_errors=True)
        writing.mkdir()
        try:
            save(writing)
            faults.point("writing")
            files = [_settled(path, f"{lease.job_id}/{lease.token}", writing) for path in _files(writing)]
            final.parent.mkdir(parents=True, exist_ok=True)
            writing.replace(final)
            _sync(final.parent)
            _sync(final.parent.parent)
        except BaseException:
            shutil.rmtree(writing, ignore_errors=True)
            raise
        faults.point("written")
        return files

    def remove_result(self, job_id: str, token: int) -> None:
        """Remove what an attempt has written."""
        shutil.rmtree(self.root / "results" / job_id / str(token), ignore_errors=True)
        _remove_if_empty(self.root / "results" / job_id)

    def remove_states(self, job_id: str) -> None:
        """Remove all saved states of a job."""
        shutil.rmtree(self.root / "states" / job_id, ignore_errors=True)

    def remove_writing(self, job_id: str, token: int) -> None:
        """Remove what an attempt had begun to write."""
        shutil.rmtree(self.root / "writing" / f"{job_id}.{token}", ignore_errors=True)

    def results(self) -> list[tuple[str, int]]:
        """Job and token of every result that lies here."""
        jobs = [entry for entry in (self.root / "results").iterdir() if entry.is_dir()]
        return [(job.name, token) for job in jobs for token in _tokens(job)]

    def states(self) -> list[str]:
        """The jobs with saved states."""
        return [entry.name for entry in (self.root / "states").iterdir()]

    def written(self) -> list[tuple[str, int]]:
        """Job and token of everything that is being written, or was when its writer died."""
        parted = [entry.name.partition(".") for entry in (self.root / "writing").iterdir()]
        return [(job_id, int(token)) for job_id, _, token in parted if token.isdigit()]


def _tokens(folder: Path) -> Iterator[int]:
    for entry in folder.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _link_files(source: Path, target: Path) -> bool:
    """Give the files of one folder a second name in another; whether there were any."""
    files = [path for path in source.iterdir() if path.is_file() and not path.name.startswith(".")]
    for path in files:
        try:
            os.link(path, target / path.name)
        except FileExistsError:
            continue
        except OSError:
            shutil.copy2(path, target / path.name)
    return bool(files)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _settled(path: Path, prefix: str, root: Path) -> ResultFile:
    """A file, and its names up to `root`, on disk for good."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    for folder in path.relative_to(root).parents:
        _sync(root / folder)
    return ResultFile(f"{prefix}/{path.relative_to(root).as_posix()}", digest, path.stat().st_size)


def _sync(folder: Path) -> None:
    """Put a folder's names on disk, where the system can (Windows does it by itself)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
