"""A worker: claims a job, has it run, writes its files, commits. One process, one device, one job at a time.

What runs a job is handed in (an `Executor`); this module knows neither recipes nor networks.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from praxino.errors import Cancelled, ModelError, UserError
from praxino.events import OnStep, StepEvent
from praxino.jobs import faults
from praxino.jobs.files import ResultFolder
from praxino.jobs.job import (
    Claim,
    JobState,
    Lease,
    LeaseLost,
    Progress,
    Reason,
    Signal,
    StoreUnavailable,
    WorkerInfo,
)
from praxino.jobs.pulse import Pulse
from praxino.jobs.store import Store
from praxino.jobs.telling import without_paths

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""How often an idle worker looks for a job."""
SEEN_SECONDS = 10.0
"""How often an idle worker says that it is there."""
LONGEST_WAIT_SECONDS = 3.0
"""Between two tries at a database that is away."""
HUNG_EXIT_CODE = 75
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Task:
    """What an executor is to run."""

    recipe: Mapping[str, Any]
    """Plain JSON, as it was submitted."""
    state: Path
    """A folder for the run's state; a state found there is gone on from. Files in it are replaced as a whole."""
    smaller_plan: bool
    """The last attempt ran out of memory: use less."""


class Executor(Protocol):
    """Runs recipes: this machine's engine, or a stand-in. Called from one thread."""

    def run(self, task: Task, on_step: OnStep) -> Any:
        """Draw; whatever it returns goes to `save`.

        Raises:
            Cancelled: `on_step` raised it.
            UserError, ModelError: as in the engine; the job fails.
            MemoryError: the device's memory is not enough; tried once more on a smaller plan.
        """
        ...

    def save(self, drawn: Any, task: Task, folder: Path) -> None:
        """Write the files of a result into an empty folder."""
        ...

    def loaded(self) -> Collection[str]:
        """Names of the models in memory, for which jobs are preferred."""
        ...


class Broken(Exception):
    """The process has met an error nobody foresaw: end it and start another one."""


class Worker:
    """One incarnation of a worker.

    Args:
        store: the queue.
        folder: where results go.
        executor: runs the jobs.
        info: who this is.
        beat: called several times a second, from a thread, while the process lives.
        hang_seconds: an attempt that ends no step for this long is given up, with the process.
    """

    def __init__(
        self,
        store: Store,
        folder: ResultFolder,
        executor: Executor,
        info: WorkerInfo,
        *,
        beat: Callable[[], None] = lambda: None,
        hang_seconds: float = 1800.0,
    ) -> None:
        self._store = store
        self._folder = folder
        self._executor = executor
        self._info = info
        self._pulse = Pulse(store, beat, hang_seconds, self._end_hung)
        self._draining = False
        self._handing_back = False

    def drain(self) -> None:
        """Claim nothing more; `run` returns when the job in hand is done. Safe in a signal handler: takes no lock."""
        self._draining = True

    def hand_back(self) -> None:
        """Drain, and give the job in hand back to the queue after its next step."""
        self._handing_back = True
        self._draining = True

    def run(self) -> None:
        """Work until drained.

        Raises:
            Broken: an attempt met an error nobody foresaw; it was told, and this process should end.
        """
        self._until_told(lambda: self._store.start_worker(self._info))
        self._pulse.start()
        try:
            while not self._draining:
                claim = self._wait_for_job()
                if claim is not None:
                    self._attempt(claim)
        finally:
            self._pulse.close()
        with contextlib.suppress(StoreUnavailable):
            self._store.end_worker(self._info.incarnation, "the worker ended")

    def _wait_for_job(self) -> Claim | None:
        """The next job; None when drained meanwhile."""
        seen = time.monotonic()
        while not self._draining:
            try:
                claim = self._store.claim(self._info.incarnation, self._executor.loaded())
                if claim is not None:
                    return claim
                if time.monotonic() - seen > SEEN_SECONDS:
                    self._store.see_worker(self._info.incarnation)
                    seen = time.monotonic()
            except StoreUnavailable as problem:
                logger.warning("%s; trying again", problem)
                time.sleep(0.5)
            time.sleep(POLL_SECONDS)
        return None

    def _attempt(self, claim: Claim) -> None:
        faults.point("claimed")
        logger.info("job %s, attempt %d", claim.job.id, claim.lease.token)
        self._pulse.hold(claim.lease)
        try:
            with self._told(claim.lease):
                self._run_and_commit(claim)
        except LeaseLost as problem:
            logger.warning("%s", problem)
            self._folder.remove_result(claim.job.id, claim.lease.token)
        finally:
            self._pulse.release()

    def _run_and_commit(self, claim: Claim) -> None:
        state = self._folder.prepare_state(claim.lease, fresh=claim.fresh_start)
        task = Task(claim.recipe, state, claim.smaller_plan)
        drawn = self._executor.run(task, self._on_step)
        faults.point("drawn")
        with _as_storage_trouble():
            files = self._folder.write(claim.lease, lambda folder: self._executor.save(drawn, task, folder))
        job = self._until_told(lambda: self._store.complete(claim.lease, files))
        faults.point("completed")
        if job.state is not JobState.SUCCEEDED:
            self._folder.remove_result(job.id, claim.lease.token)
        self._folder.remove_states(job.id)
        faults.point("cleaned")

    def _on_step(self, event: StepEvent) -> None:
        left = round(event.seconds_left, 3)
        self._pulse.step(Progress(event.stage, event.step, event.num_steps, event.sample, event.num_samples, left))
        faults.point("step")
        if self._pulse.signal is not Signal.GO_ON or self._handing_back:
            raise Cancelled("")

    @contextlib.contextmanager
    def _told(self, lease: Lease) -> Iterator[None]:
        """Tell the store how the attempt inside the block failed, if it did. Raises LeaseLost, Broken."""
        try:
            yield
        except (LeaseLost, Broken):
            raise
        except Cancelled:
            self._stopped(lease)
        except _StorageTrouble as problem:
            self._failed(lease, Reason.STORAGE, problem)
        except UserError as problem:
            self._failed(lease, Reason.USER, problem)
        except ModelError as problem:
            self._failed(lease, Reason.MODEL, problem)
        except MemoryError as problem:
            self._failed(lease, Reason.OUT_OF_MEMORY, problem)
            raise Broken("out of memory: a new process begins with all of it") from problem
        except Exception as problem:
            full = isinstance(problem, OSError) and problem.errno in _DISK_FULL
            self._failed(lease, Reason.STORAGE if full else Reason.CRASH, problem)
            if not full:
                raise Broken(_message(problem)) from problem

    def _stopped(self, lease: Lease) -> None:
        if self._pulse.signal is Signal.LOST:
            raise LeaseLost(f"attempt {lease.token} at job {lease.job_id} lost its lease while it ran.")
        job = self._until_told(lambda: self._store.stop(lease, "the worker was asked to stop"))
        if job.state is JobState.CANCELLED:
            self._folder.remove_states(job.id)

    def _failed(self, lease: Lease, reason: Reason, problem: BaseException) -> None:
        logger.warning("job %s, attempt %d: %s: %s", lease.job_id, lease.token, reason, problem)
        told = without_paths(_message(problem))
        job = self._until_told(lambda: self._store.fail(lease, reason, told))
        if job.state.final:
            self._folder.remove_states(job.id)

    def _until_told(self, tell: Callable[[], Any]) -> Any:
        """Call the store until it answers. Raises StoreUnavailable when asked to stop at once meanwhile."""
        wait_seconds = 0.1
        while True:
            try:
                return tell()
            except StoreUnavailable as problem:
                if self._handing_back:
                    raise
                logger.warning("%s; trying again", problem)
            time.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)

    def _end_hung(self, lease: Lease) -> None:
        """End the process from the pulse: the computing thread no longer can."""
        try:
            self._store.fail(lease, Reason.CRASH, "the attempt hung: it ended no step for too long")
        finally:
            os._exit(HUNG_EXIT_CODE)


class _StorageTrouble(Exception):
    """Writing the result has failed."""


@contextlib.contextmanager
def _as_storage_trouble() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise _StorageTrouble(f"the result could not be written: {problem.strerror or problem}") from problem


def _message(problem: BaseException) -> str:
    said = " ".join(str(problem).split()) or type(problem).__name__
    expected = isinstance(problem, UserError | ModelError | MemoryError | _StorageTrouble)
    return said if expected else f"{type(problem).__name__}: {said}"
