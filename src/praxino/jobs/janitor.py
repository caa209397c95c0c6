"""Keeps rows and files in step: files without rows go, rows without files are told. Safe to run anywhere, any time.

A folder's listing is read before the rows are: rows are made before files, and a token that has passed never comes
back, so what is found useless stays useless.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from praxino.errors import JobError
from praxino.jobs.files import ResultFolder
from praxino.jobs.job import Job, JobState
from praxino.jobs.store import Store

logger = logging.getLogger(__name__)

PAGE = 500
SWEEP_SECONDS = 3600.0


@dataclass(frozen=True)
class Swept:
    """What a sweep has done."""

    pruned: int
    """Jobs forgotten because of their age."""
    removed: int
    """Folders without a row that needs them."""
    missing: int
    """Succeeded jobs whose files are gone; they are failed now, and can be tried again."""


def sweep(store: Store, folder: ResultFolder, keep_seconds: float | None = None) -> Swept:
    """Prune, then remove files that no row needs, then look for rows without their files.

    Args:
        store: the rows.
        folder: the files.
        keep_seconds: forget final jobs that ended longer ago; None keeps all.

    Raises:
        JobError: the folder is not there, or no longer the database's own.
    """
    if not folder.is_ours():
        raise JobError(f"the results folder {folder.root} is not there, or belongs to another database; is it mounted?")
    pruned = _prune(store, keep_seconds) if keep_seconds is not None else 0
    return Swept(pruned, _remove_useless(store, folder), _tell_missing(store, folder))


def _prune(store: Store, keep_seconds: float) -> int:
    count = 0
    while ids := store.prune(keep_seconds, PAGE):
        count += len(ids)
    return count


def _remove_useless(store: Store, folder: ResultFolder) -> int:
    results, states, written = folder.results(), folder.states(), folder.written()
    ids = {job_id for job_id, _ in results} | {job_id for job_id, _ in written} | set(states)
    known = store.get_many(sorted(ids))
    useless_results = [(id, token) for id, token in results if not _needs_result(known.get(id), token)]
    useless_written = [(id, token) for id, token in written if not _is_running(known.get(id), token)]
    useless_states = [id for id in states if (job := known.get(id)) is None or job.state.final]
    for job_id, token in useless_results:
        folder.remove_result(job_id, token)
    for job_id, token in useless_written:
        folder.remove_writing(job_id, token)
    for job_id in useless_states:
        folder.remove_states(job_id)
    return len(useless_results) + len(useless_written) + len(useless_states)


def _needs_result(job: Job | None, token: int) -> bool:
    if job is None:
        return False
    named = any(file.name.startswith(f"{job.id}/{token}/") for file in job.result)
    return named or _is_running(job, token)


def _is_running(job: Job | None, token: int) -> bool:
    return job is not None and job.state is JobState.RUNNING and job.attempts == token


def _tell_missing(store: Store, folder: ResultFolder) -> int:
    count, cursor = 0, None
    while True:
        page = store.list_jobs(states=[JobState.SUCCEEDED], after=cursor, limit=PAGE)
        for job in page.jobs:
            if not _is_whole(job, folder) and folder.is_ours() and store.lose_result(job.id, job.attempts):
                count += 1
        if page.next is None:
            return count
        cursor = page.next


def _is_whole(job: Job, folder: ResultFolder) -> bool:
    return all(folder.holds(file) for file in job.result)


def sweep_hourly(store: Store, folder: ResultFolder, keep_seconds: float | None, stopped: threading.Event) -> None:
    """Sweep now and every hour until `stopped` is set. A sweep that cannot be done is told in the log."""
    while True:
        try:
            logger.info("swept: %s", sweep(store, folder, keep_seconds))
        except (JobError, OSError) as problem:
            logger.warning("not swept: %s", problem)
        if stopped.wait(SWEEP_SECONDS):
            return
