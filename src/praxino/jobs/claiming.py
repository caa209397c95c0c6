"""Which job a worker gets next, and how a lease is lost. Everything here runs inside one transaction.

Order: priority, then rank (the fair order), then id. A worker takes a job whose model it has in memory before others,
but looks no further than LOOK_AHEAD places, and passes over each job at most LOOK_AHEAD times: nobody starves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, insert, or_, select, update

from praxino.jobs.database import Database, Moment
from praxino.jobs.ending import strike
from praxino.jobs.job import Claim, JobState, Lease, Reason
from praxino.jobs.retry import MAX_DELAY_SECONDS, RetryPolicy
from praxino.jobs.rows import change_job, read_job
from praxino.jobs.tables import attempts, bodies, jobs, workers

LOOK_AHEAD = 16
FRESH_START_CRASHES = 2
"""After so many crashes, saved states are under suspicion too."""


def is_due(connection: Connection, moment: Moment, worker: str) -> bool:
    """Whether there is anything for a worker to claim, or anything to take back: a look that writes nothing."""
    cases = (_available(moment), _held_by(worker), _expired(moment))
    return connection.execute(select(or_(*(exists().where(case) for case in cases)))).scalar_one()


def claim(
    database: Database, connection: Connection, worker: str, loaded: Collection[str], lease_seconds: float
) -> Claim | None:
    """Give the next job to a worker; None when nothing waits."""
    moment = database.moment(connection)
    if (held := connection.execute(select(jobs).where(_held_by(worker)).with_for_update()).first()) is not None:
        return _read_claim(connection, held, worker, held.token, held.lease_seconds)
    candidates = list(_candidates(connection, moment))
    while candidates:
        choice = preferred(candidates, loaded)
        row = _lock_queued(connection, candidates[choice].id)
        if row is not None:
            _count_passed_over(connection, candidates[:choice])
            return _give(connection, row, worker, lease_seconds, moment)
        del candidates[choice]
    return None


def preferred(candidates: Sequence[Any], loaded: Collection[str]) -> int:
    """The index of the job to take: the first one whose model is loaded, unless a job ahead was passed over enough.

    Args:
        candidates: rows in order, with `model`, `priority` and `passed_over`.
        loaded: names of the models in memory.
    """
    for index, candidate in enumerate(candidates):
        if candidate.priority != candidates[0].priority:
            break
        if candidate.model in loaded:
            return index
        if candidate.passed_over >= LOOK_AHEAD:
            break
    return 0


def take_back_expired(database: Database, connection: Connection, policy: RetryPolicy) -> int:
    """End the attempts whose leases have run out; how many there were."""
    moment = database.moment(connection)
    wanted = select(jobs).where(_expired(moment)).with_for_update(skip_locked=True)
    rows = connection.execute(wanted).all()
    for row in rows:
        silent = f"worker {row.worker} gave no sign of life for {row.lease_seconds:g} seconds"
        strike(connection, row, moment, Reason.CRASH, silent, policy)
    return len(rows)


def take_back_from(database: Database, connection: Connection, worker: str, message: str, policy: RetryPolicy) -> int:
    """End the attempts of a worker that is known to be dead; how many there were."""
    moment = database.moment(connection)
    rows = connection.execute(select(jobs).where(_held_by(worker)).with_for_update()).all()
    for row in rows:
        strike(connection, row, moment, Reason.CRASH, message, policy)
    alive = (workers.c.incarnation == worker) & workers.c.ended_at.is_(None)
    connection.execute(update(workers).where(alive).values(ended_at=moment.now))
    return len(rows)


def _available(moment: Moment) -> ColumnElement[bool]:
    """Queued, and its delay over. A delay longer than any that is given stems from a clock that began anew."""
    waited = or_(jobs.c.available_at <= moment.clock, jobs.c.available_at > moment.clock + MAX_DELAY_SECONDS)
    return (jobs.c.state == JobState.QUEUED) & waited


def _held_by(worker: str) -> ColumnElement[bool]:
    return (jobs.c.state == JobState.RUNNING) & (jobs.c.worker == worker)


def _expired(moment: Moment) -> ColumnElement[bool]:
    """Running on a lease that is over, or that ends later than it could have been given."""
    over = or_(jobs.c.lease_until < moment.clock, jobs.c.lease_until > moment.clock + jobs.c.lease_seconds)
    return (jobs.c.state == JobState.RUNNING) & over


def _candidates(connection: Connection, moment: Moment) -> Sequence[Any]:
    wanted = select(jobs.c.id, jobs.c.model, jobs.c.priority, jobs.c.passed_over).where(_available(moment))
    ordered = wanted.order_by(jobs.c.priority.desc(), jobs.c.rank, jobs.c.id)
    return connection.execute(ordered.limit(LOOK_AHEAD)).all()


def _lock_queued(connection: Connection, job_id: str) -> Row[Any] | None:
    """The row, held; None when another worker was faster."""
    one = select(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED)
    return connection.execute(one.with_for_update(skip_locked=True)).one_or_none()


def _count_passed_over(connection: Connection, ahead: Sequence[Any]) -> None:
    if not ahead:
        return
    ids = [row.id for row in ahead]
    free = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.state == JobState.QUEUED)
    held = connection.execute(free.with_for_update(skip_locked=True)).scalars().all()
    connection.execute(update(jobs).where(jobs.c.id.in_(held)).values(passed_over=jobs.c.passed_over + 1))


def _give(connection: Connection, row: Row[Any], worker: str, lease_seconds: float, moment: Moment) -> Claim:
    token = row.token + 1
    change_job(
        connection,
        row.id,
        moment,
        "started",
        {"attempt": token},
        state=JobState.RUNNING,
        token=token,
        worker=worker,
        lease_until=moment.clock + lease_seconds,
        lease_seconds=lease_seconds,
        progress=None,
        started_at=moment.now,
        error_code=None,
        error_message=None,
    )
    connection.execute(insert(attempts).values(job_id=row.id, token=token, worker=worker, started_at=moment.now))
    return _read_claim(connection, row, worker, token, lease_seconds)


def _read_claim(connection: Connection, row: Row[Any], worker: str, token: int, lease_seconds: float) -> Claim:
    recipe = connection.execute(select(bodies.c.recipe).where(bodies.c.job_id == row.id)).scalar_one()
    return Claim(
        job=read_job(connection, row.id),
        lease=Lease(row.id, worker, token, lease_seconds),
        recipe=recipe,
        smaller_plan=row.smaller_plan,
        fresh_start=row.strikes.get(Reason.CRASH, 0) >= FRESH_START_CRASHES,
    )
