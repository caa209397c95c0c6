"""The store: every operation on jobs, each one transaction. Thread-safe; any number of processes may open one.

Knows no engine, no HTTP and no file but the database's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from praxino.jobs import claiming, ending, faults, reading, rows, submission
from praxino.jobs.database import Database
from praxino.jobs.job import (
    Accepted,
    Attempt,
    Claim,
    Event,
    Job,
    JobState,
    Lease,
    Limits,
    Page,
    Progress,
    Reason,
    ResultFile,
    Signal,
    Submission,
    WorkerInfo,
    WorkerStatus,
    WrongState,
)
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.tables import bodies, facts, jobs, workers

NO_LIMITS = Limits()
LEASE_SECONDS = 30.0
WORKER_MEMORY_SECONDS = 24 * 3600.0
"""How long workers that are gone stay listed."""


class Store:
    """The jobs of one database.

    Every method raises StoreUnavailable when the database cannot be reached; nothing else is lost by that: call again.

    Args:
        url: sqlite:///FILE or postgresql://[USER[:PASSWORD]@]HOST[:PORT]/NAME.
        migrate: bring the tables up to date first; without it, tables of another version are refused.
        policy: when failed attempts are tried again.
        lease_seconds: how long a worker may give no sign of life.

    Raises:
        UserError: the URL is not one of these, or the tables are of another Praxino.
    """

    def __init__(
        self,
        url: str,
        *,
        migrate: bool = True,
        policy: RetryPolicy | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = Database(url, idle_seconds=lease_seconds)
        self._policy = policy or RetryPolicy()
        self.lease_seconds = lease_seconds
        try:
            if migrate:
                self._database.migrate()
            else:
                self._database.check_tables()
        except BaseException:
            self._database.close()
            raise

    def __str__(self) -> str:
        return str(self._database)

    @property
    def database(self) -> Database:
        """For rooms that keep tables of their own beside the jobs."""
        return self._database

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def store_id(self) -> str:
        """The database's own name, drawn when its tables were made. A call that answers means: reachable."""
        with self._database.reading() as connection:
            return connection.execute(select(facts.c.value).where(facts.c.name == "store_id")).scalar_one()

    # For those who want something done.

    def submit(self, wanted: Submission, limits: Limits = NO_LIMITS) -> Accepted:
        """Queue a job. It is on disk when this returns.

        Raises:
            KeyReused: the idempotency key came with another body in the last 24 hours.
            QueueFull: the owner has `limits.max_queued` jobs waiting.
            CostSpent: the owner's jobs would cost more than `limits.max_cost`.
        """
        with self._database.writing() as connection:
            accepted = submission.submit(self._database, connection, wanted, limits)
            faults.point("submitting")
        faults.point("submitted")
        return accepted

    def find_submitted(self, owner: str, key: str, body_sha256: str) -> Job | None:
        """The job that an idempotency key stands for, if there is one: what `submit` would return. Raises KeyReused."""
        with self._database.writing() as connection:
            moment = self._database.moment(connection)
            found = submission.find_submitted(connection, owner, key, body_sha256, moment)
            return rows.read_job(connection, found) if found is not None else None

    def get(self, job_id: str) -> Job:
        """One job. Raises UnknownJob."""
        with self._database.reading() as connection:
            return rows.read_job(connection, job_id)

    def get_many(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Those of the jobs that exist, by id."""
        with self._database.reading() as connection:
            return reading.read_many(connection, job_ids)

    def recipe(self, job_id: str) -> Mapping[str, Any]:
        """A job's recipe, as plain JSON. Raises UnknownJob."""
        with self._database.reading() as connection:
            found = connection.execute(select(bodies.c.recipe).where(bodies.c.job_id == job_id)).scalar_one_or_none()
        if found is None:
            raise rows.unknown(job_id)
        return found

    def list_jobs(
        self,
        *,
        owner: str | None = None,
        states: Collection[JobState] = (),
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> Page:
        """A page of jobs in the order of their ids, which is that of submission.

        Args:
            owner: only this owner's.
            states: only jobs in one of these.
            after: the cursor: the last id of the page before.
            limit: 1 to 1000.
            newest_first: the order.
        """
        with self._database.reading() as connection:
            return reading.read_page(connection, owner, states, after, limit, newest_first)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once while it waits; a running one stops within its step. Final jobs stay as they are.

        A running job that was told to stop ends as cancelled, even if its result was about to be written.
        Raises UnknownJob.
        """
        with self._database.writing() as connection:
            ending.cancel(self._database, connection, rows.lock_job(connection, job_id))
            return rows.read_job(connection, job_id)

    def retry(self, job_id: str, limits: Limits = NO_LIMITS) -> Job:
        """Queue a failed or cancelled job once more, its attempts forgiven.

        Raises:
            QueueFull, CostSpent: as from `submit`.
            UnknownJob: there is no such job.
            WrongState: it is queued or running, or has succeeded.
        """
        with self._database.writing() as connection:
            row = rows.lock_job(connection, job_id)
            if row.state not in (JobState.FAILED, JobState.CANCELLED):
                raise WrongState(f"job {job_id} is {row.state}; only failed and cancelled jobs can be tried again.")
            submission.check_limits(connection, row.owner, row.cost, limits)
            submission.retry(self._database, connection, row)
            return rows.read_job(connection, job_id)

    def delete(self, job_id: str) -> None:
        """Forget a final job. Its files are removed by the janitor.

        Raises:
            UnknownJob: there is no such job.
            WrongState: it is queued or running.
        """
        with self._database.writing() as connection:
            row = rows.lock_job(connection, job_id)
            if not JobState(row.state).final:
                raise WrongState(f"job {job_id} is {row.state}; cancel it first: praxino jobs cancel {job_id}")
            connection.execute(delete(jobs).where(jobs.c.id == job_id))

    def events(self, job_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """A job's events with a sequence above `after`, the oldest first; [] for an unknown job."""
        with self._database.reading() as connection:
            return reading.read_events(connection, job_id, after, limit)

    def attempts(self, job_id: str) -> list[Attempt]:
        """A job's attempts, the oldest first; [] for an unknown job."""
        with self._database.reading() as connection:
            return reading.read_attempts(connection, job_id)

    def position(self, job_id: str) -> int | None:
        """How many jobs are ahead of a queued one; None when it is not queued. Raises UnknownJob."""
        with self._database.reading() as connection:
            return reading.read_position(connection, job_id)

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        with self._database.reading() as connection:
            return reading.read_counts(connection)

    def workers(self) -> list[WorkerStatus]:
        """The workers that were seen in the last day, the newest first; those without `ended_at` may be alive."""
        with self._database.reading() as connection:
            since = self._database.moment(connection).now - WORKER_MEMORY_SECONDS
            return reading.read_workers(connection, since)

    # For workers.

    def start_worker(self, info: WorkerInfo) -> None:
        """Make a worker's new incarnation known. Calling again after an answer that got lost is safe."""
        with self._database.writing() as connection:
            now = self._database.moment(connection).now
            connection.execute(delete(workers).where(workers.c.incarnation == info.incarnation))
            connection.execute(
                insert(workers).values(
                    incarnation=info.incarnation,
                    device=info.device,
                    host=info.host,
                    pid=info.pid,
                    started_at=now,
                    seen_at=now,
                )
            )
            connection.execute(delete(workers).where(workers.c.seen_at < now - WORKER_MEMORY_SECONDS))

    def see_worker(self, incarnation: str) -> None:
        """An idle worker is alive. A busy one tells so by its heartbeats."""
        with self._database.writing() as connection:
            now = self._database.moment(connection).now
            connection.execute(update(workers).where(workers.c.incarnation == incarnation).values(seen_at=now))

    def end_worker(self, incarnation: str, message: str) -> int:
        """A worker is known to have ended: the jobs it held were crashed, with this message. How many there were."""
        with self._database.writing() as connection:
            return claiming.take_back_from(self._database, connection, incarnation, message, self._policy)

    def claim(self, worker: str, loaded: Collection[str] = ()) -> Claim | None:
        """The next job for a worker, by priority, fairness between owners, and order; None when nothing waits.

        Jobs whose workers have given no sign of life are taken back first. A worker holds one job at a time: claiming
        again, as after an answer that got lost, returns the one that it holds.

        Args:
            worker: the incarnation that will run it.
            loaded: names of the models that it has in memory; a job of one of them may be preferred.
        """
        with self._database.reading() as connection:
            if not claiming.is_due(connection, self._database.moment(connection), worker):
                return None
        with self._database.writing() as connection:
            claiming.take_back_expired(self._database, connection, self._policy)
            return claiming.claim(self._database, connection, worker, loaded, self.lease_seconds)

    def heartbeat(self, lease: Lease, progress: Progress | None = None) -> Signal:
        """Prolong the lease; with news of the progress, record it as an event."""
        with self._database.writing() as connection:
            return ending.heartbeat(self._database, connection, lease, progress)

    def check(self, lease: Lease) -> Signal:
        """What a heartbeat would say; writes nothing."""
        with self._database.reading() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == lease.job_id)).one_or_none()
        if row is None or (row.state, row.token, row.worker) != (JobState.RUNNING, lease.token, lease.worker):
            return Signal.LOST
        return Signal.CANCEL if row.cancel_requested else Signal.GO_ON

    def complete(self, lease: Lease, files: Sequence[ResultFile]) -> Job:
        """Commit a result. The job is succeeded then, or cancelled if that had been asked for.

        Calling again after an answer that got lost is safe. Raises LeaseLost.
        """
        with self._database.writing() as connection:
            job = self._committed(connection, lease)
            if job is not None:
                return job
            ending.complete(self._database, connection, lease, files)
            return rows.read_job(connection, lease.job_id)

    def _committed(self, connection: Any, lease: Lease) -> Job | None:
        """The job, if this very attempt has already succeeded."""
        job = rows.read_job(connection, lease.job_id)
        return job if job.state is JobState.SUCCEEDED and job.attempts == lease.token else None

    def fail(self, lease: Lease, reason: Reason, message: str) -> Job:
        """End an attempt that failed: the job is queued again after a delay, or failed. Raises LeaseLost."""
        with self._database.writing() as connection:
            ending.fail(self._database, connection, lease, reason, message, self._policy)
            return rows.read_job(connection, lease.job_id)

    def stop(self, lease: Lease, message: str) -> Job:
        """End an attempt that was stopped: cancelled if that was asked for, else queued, nothing counted against it.

        Raises LeaseLost.
        """
        with self._database.writing() as connection:
            ending.stop(self._database, connection, lease, message)
            return rows.read_job(connection, lease.job_id)

    # For the janitor.

    def prune(self, older_than_seconds: float, limit: int = 1000) -> list[str]:
        """Forget final jobs that ended longer ago than this; their ids. Their files are removed by the janitor."""
        with self._database.writing() as connection:
            before = self._database.moment(connection).now - older_than_seconds
            old = select(jobs.c.id).where(jobs.c.finished_at < before).order_by(jobs.c.finished_at).limit(limit)
            ids = list(connection.execute(old).scalars())
            connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
        return ids

    def lose_result(self, job_id: str, token: int) -> bool:
        """Fail a job that succeeded in attempt `token`, because its files are gone; whether it still stood so."""
        with self._database.writing() as connection:
            return ending.lose_result(self._database, connection, job_id, token)
