"""Rows to frozen facts, and the one way in which a job's row changes. Decides nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from praxino.jobs.database import Moment
from praxino.jobs.job import (
    Failure,
    Job,
    JobState,
    Progress,
    ResultFile,
    UnknownJob,
)
from praxino.jobs.tables import attempts, bodies, events, jobs
from praxino.plain import from_plain


def select_jobs() -> Select[Any]:
    """Every job with its request."""
    return select(jobs, bodies.c.request).join(bodies, bodies.c.job_id == jobs.c.id)


def read_job(connection: Connection, job_id: str) -> Job:
    """One job. Raises UnknownJob."""
    row = connection.execute(select_jobs().where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise unknown(job_id)
    return to_job(row)


def lock_job(connection: Connection, job_id: str) -> Row[Any]:
    """A job's row, held until the transaction ends. Raises UnknownJob."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
    if row is None:
        raise unknown(job_id)
    return row


def unknown(job_id: str) -> UnknownJob:
    """The error for an id that no job has."""
    return UnknownJob(f"there is no job {job_id[:60]!r}; see: praxino jobs list")


def change_job(
    connection: Connection, job_id: str, moment: Moment, kind: str, data: dict[str, Any], **values: Any
) -> None:
    """Set columns of a locked row, and append the event that tells of it."""
    changed = update(jobs).where(jobs.c.id == job_id).values(**values, last_event=jobs.c.last_event + 1)
    sequence = connection.execute(changed.returning(jobs.c.last_event)).scalar_one()
    connection.execute(insert(events).values(job_id=job_id, sequence=sequence, kind=kind, at=moment.now, data=data))


def end_attempt(connection: Connection, row: Row[Any], moment: Moment, outcome: str, message: str = "") -> None:
    """Close the record of the attempt that a running job's row tells of."""
    one = (attempts.c.job_id == row.id) & (attempts.c.token == row.token)
    connection.execute(update(attempts).where(one).values(ended_at=moment.now, outcome=outcome, message=message))


def to_job(row: Row[Any]) -> Job:
    """A row of `select_jobs`."""
    return Job(
        id=row.id,
        owner=row.owner,
        state=JobState(row.state),
        priority=row.priority,
        model=row.model,
        cost=row.cost,
        request=row.request,
        annotations=row.annotations,
        attempts=row.token,
        progress=from_plain(Progress, row.progress) if row.progress else None,
        cancel_requested=row.cancel_requested,
        error=Failure(row.error_code, row.error_message) if row.error_code else None,
        result=tuple(from_plain(ResultFile, file) for file in row.result),
        worker=row.worker,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        last_event=row.last_event,
        idempotency_key=row.idempotency_key,
    )
