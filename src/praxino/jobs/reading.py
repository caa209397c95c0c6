"""Questions about jobs. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from praxino.jobs.job import Attempt, Event, Job, JobState, Page, WorkerInfo, WorkerStatus
from praxino.jobs.rows import select_jobs, to_job, unknown
from praxino.jobs.tables import attempts, events, jobs, workers

MAX_PAGE = 1000
_IDS_PER_QUERY = 500


def read_page(
    connection: Connection,
    owner: str | None,
    states: Collection[JobState],
    after: str | None,
    limit: int,
    newest_first: bool,
) -> Page:
    """Jobs in the order of their ids; arguments as for `Store.list_jobs`."""
    limit = max(1, min(limit, MAX_PAGE))
    wanted = select_jobs().order_by(jobs.c.id.desc() if newest_first else jobs.c.id).limit(limit + 1)
    if owner is not None:
        wanted = wanted.where(jobs.c.owner == owner)
    if states:
        wanted = wanted.where(jobs.c.state.in_(states))
    if after is not None:
        wanted = wanted.where(jobs.c.id < after if newest_first else jobs.c.id > after)
    found = [to_job(row) for row in connection.execute(wanted)]
    return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)


def read_many(connection: Connection, job_ids: Sequence[str]) -> dict[str, Job]:
    """Those of the jobs that exist, by id."""
    known = {}
    for start in range(0, len(job_ids), _IDS_PER_QUERY):
        wanted = select_jobs().where(jobs.c.id.in_(job_ids[start : start + _IDS_PER_QUERY]))
        known |= {row.id: to_job(row) for row in connection.execute(wanted)}
    return known


def read_position(connection: Connection, job_id: str) -> int | None:
    """How many jobs are ahead of a queued one; None when it is not queued. Raises UnknownJob."""
    job = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if job is None:
        raise unknown(job_id)
    if job.state != JobState.QUEUED:
        return None
    same_rank = (jobs.c.rank == job.rank) & (jobs.c.id < job_id)
    in_lane = (jobs.c.priority == job.priority) & ((jobs.c.rank < job.rank) | same_rank)
    ahead = select(func.count()).where(jobs.c.state == JobState.QUEUED, (jobs.c.priority > job.priority) | in_lane)
    return connection.execute(ahead).scalar_one()


def read_counts(connection: Connection) -> dict[JobState, int]:
    """How many jobs are in each state."""
    found = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
    return dict.fromkeys(JobState, 0) | {JobState(state): count for state, count in found}


def read_events(connection: Connection, job_id: str, after: int, limit: int) -> list[Event]:
    """A job's events with a sequence above `after`, the oldest first."""
    wanted = select(events).where(events.c.job_id == job_id, events.c.sequence > after)
    found = connection.execute(wanted.order_by(events.c.sequence).limit(limit))
    return [Event(**row._mapping) for row in found]


def read_attempts(connection: Connection, job_id: str) -> list[Attempt]:
    """A job's attempts, the oldest first."""
    found = connection.execute(select(attempts).where(attempts.c.job_id == job_id).order_by(attempts.c.token))
    return [Attempt(**row._mapping) for row in found]


def read_workers(connection: Connection, since: float) -> list[WorkerStatus]:
    """The workers that were seen since then, the newest first."""
    running = select(jobs.c.worker, jobs.c.id.label("job_id")).where(jobs.c.state == JobState.RUNNING).subquery()
    wanted = select(workers, running.c.job_id).join(running, running.c.worker == workers.c.incarnation, isouter=True)
    found = connection.execute(wanted.where(workers.c.seen_at >= since).order_by(workers.c.started_at.desc()))
    return _to_workers(found)


def _to_workers(rows: Iterable[Row[Any]]) -> list[WorkerStatus]:
    return [
        WorkerStatus(
            info=WorkerInfo(row.incarnation, row.device, row.host, row.pid),
            started_at=row.started_at,
            seen_at=row.seen_at,
            ended_at=row.ended_at,
            job_id=row.job_id,
        )
        for row in rows
    ]
