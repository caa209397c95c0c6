"""How an attempt goes on and ends. Whoever no longer holds the lease changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, update

from praxino.jobs import faults
from praxino.jobs.database import Database, Moment
from praxino.jobs.job import JobState, Lease, LeaseLost, Progress, Reason, ResultFile, Signal, UnknownJob
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.rows import change_job, end_attempt, lock_job
from praxino.jobs.tables import jobs, workers
from praxino.plain import to_plain

MAX_MESSAGE_CHARACTERS = 2000


def heartbeat(database: Database, connection: Connection, lease: Lease, progress: Progress | None) -> Signal:
    """Prolong a lease, and tell the progress if there is any news."""
    row = _held(connection, lease)
    if row is None:
        return Signal.LOST
    moment = database.moment(connection)
    until = {"lease_until": moment.clock + lease.seconds}
    if progress is None:
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(**until))
    else:
        told = to_plain(progress)
        change_job(connection, row.id, moment, "progress", told, progress=told, **until)
    connection.execute(update(workers).where(workers.c.incarnation == lease.worker).values(seen_at=moment.now))
    return Signal.CANCEL if row.cancel_requested else Signal.GO_ON


def complete(database: Database, connection: Connection, lease: Lease, files: Sequence[ResultFile]) -> None:
    """Commit a result; a job whose cancelling was asked for is cancelled instead. Raises LeaseLost."""
    row = _held_or_lost(connection, lease)
    moment = database.moment(connection)
    if row.cancel_requested:
        _finish(connection, row, moment, JobState.CANCELLED)
        return
    plain = [to_plain(file) for file in files]
    data = {"files": plain, "attempt": row.token}
    _finish(connection, row, moment, JobState.SUCCEEDED, data, result=plain)
    faults.point("completing")


def stop(database: Database, connection: Connection, lease: Lease, message: str) -> None:
    """Hand a job back unfinished: cancelled if that was asked for, else queued as it was. Raises LeaseLost."""
    row = _held_or_lost(connection, lease)
    moment = database.moment(connection)
    if row.cancel_requested:
        _finish(connection, row, moment, JobState.CANCELLED)
        return
    end_attempt(connection, row, moment, "returned", message)
    change_job(connection, row.id, moment, "returned", {"message": message}, **_QUEUED_AGAIN)


def fail(
    database: Database, connection: Connection, lease: Lease, reason: Reason, message: str, policy: RetryPolicy
) -> None:
    """End an attempt that failed; the job is tried again or fails. Raises LeaseLost."""
    row = _held_or_lost(connection, lease)
    strike(connection, row, database.moment(connection), reason, message, policy)


def strike(
    connection: Connection, row: Row[Any], moment: Moment, reason: Reason, message: str, policy: RetryPolicy
) -> None:
    """Count a failure of a locked running job: back into the queue after a delay, or failed for good."""
    message = message[:MAX_MESSAGE_CHARACTERS]
    if row.cancel_requested:
        _finish(connection, row, moment, JobState.CANCELLED)
        return
    strikes = {**row.strikes, reason: row.strikes.get(reason, 0) + 1}
    delay = policy.delay_seconds(reason, strikes)
    told = {"reason": reason, "message": message, "attempt": row.token}
    failure = {"strikes": strikes, "error_code": reason, "error_message": message}
    if delay is None:
        _finish(connection, row, moment, JobState.FAILED, told, outcome=reason, **failure)
        return
    end_attempt(connection, row, moment, reason, message)
    again = {**_QUEUED_AGAIN, "available_at": moment.clock + delay}
    if reason is Reason.OUT_OF_MEMORY:
        again["smaller_plan"] = True
    change_job(connection, row.id, moment, "retrying", {**told, "delay_seconds": delay}, **again, **failure)


_UNLEASED: dict[str, Any] = {"worker": None, "lease_until": None, "lease_seconds": None}
_QUEUED_AGAIN: dict[str, Any] = {"state": JobState.QUEUED, **_UNLEASED}


def _finish(
    connection: Connection,
    row: Row[Any],
    moment: Moment,
    state: JobState,
    data: dict[str, Any] | None = None,
    outcome: str | None = None,
    **values: Any,
) -> None:
    end_attempt(connection, row, moment, outcome or state, values.get("error_message", ""))
    change_job(
        connection, row.id, moment, state, data or {}, state=state, finished_at=moment.now, **_UNLEASED, **values
    )


def lose_result(database: Database, connection: Connection, job_id: str, token: int) -> bool:
    """Fail a job whose files are gone, unless it has moved on since attempt `token`; whether it was failed."""
    try:
        row = lock_job(connection, job_id)
    except UnknownJob:
        return False
    if (row.state, row.token) != (JobState.SUCCEEDED, token):
        return False
    failure = {"error_code": Reason.RESULT_MISSING, "error_message": "the files of its result are gone"}
    told = {"reason": Reason.RESULT_MISSING, "message": failure["error_message"], "attempt": token}
    change_job(
        connection, job_id, database.moment(connection), "failed", told, state=JobState.FAILED, result=[], **failure
    )
    return True


def cancel(database: Database, connection: Connection, row: Row[Any]) -> None:
    """Cancel a locked job: at once while it waits; a running one is told to stop within its step."""
    moment = database.moment(connection)
    if row.state == JobState.QUEUED:
        cancelled = {"state": JobState.CANCELLED, "cancel_requested": True, "finished_at": moment.now}
        change_job(connection, row.id, moment, "cancelled", {}, **cancelled)
    elif row.state == JobState.RUNNING and not row.cancel_requested:
        change_job(connection, row.id, moment, "cancelling", {}, cancel_requested=True)


def _held(connection: Connection, lease: Lease) -> Row[Any] | None:
    try:
        row = lock_job(connection, lease.job_id)
    except UnknownJob:
        return None
    holds = (row.state, row.token, row.worker) == (JobState.RUNNING, lease.token, lease.worker)
    return row if holds else None


def _held_or_lost(connection: Connection, lease: Lease) -> Row[Any]:
    row = _held(connection, lease)
    if row is None:
        raise LeaseLost(f"attempt {lease.token} at job {lease.job_id} has lost its lease; its result is not accepted.")
    return row
