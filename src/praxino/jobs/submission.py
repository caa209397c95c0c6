"""How a job enters the queue: idempotency, the owner's limit, and its place in the fair order.

The fair order is start-time fair queueing (Goyal, Vin, Cheng 1996, section 2): a job's rank is its owner's last rank in
the queue, or the queue's lowest if that is higher, plus its cost. Ten thousand jobs of one owner thus do not delay the
first one of another, and picking the next job is one look into an index.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from praxino.jobs.database import Database, Moment
from praxino.jobs.job import Accepted, CostSpent, JobState, KeyReused, Limits, QueueFull, Submission, new_id
from praxino.jobs.rows import change_job, read_job
from praxino.jobs.tables import bodies, events, jobs

IDEMPOTENCY_SECONDS = 24 * 3600.0


def submit(database: Database, connection: Connection, wanted: Submission, limits: Limits) -> Accepted:
    """Queue a job, or find the one that its idempotency key stands for.

    Raises:
        KeyReused: the key stands for another body.
        QueueFull: the owner has too many jobs waiting.
        CostSpent: the owner's jobs have cost too much.
    """
    database.serialize(connection, f"owner {wanted.owner}")
    moment = database.moment(connection)
    if wanted.idempotency_key is not None:
        job_id = find_submitted(connection, wanted.owner, wanted.idempotency_key, wanted.digest(), moment)
        if job_id is not None:
            return Accepted(read_job(connection, job_id), created=False)
    check_limits(connection, wanted.owner, wanted.cost, limits)
    return Accepted(read_job(connection, _insert(connection, wanted, moment)), created=True)


def find_submitted(connection: Connection, owner: str, key: str, body_sha256: str, moment: Moment) -> str | None:
    """The id of the job that the key stands for; a key that has expired is taken off its job. Raises KeyReused."""
    same = (jobs.c.owner == owner) & (jobs.c.idempotency_key == key)
    found = connection.execute(select(jobs.c.id, jobs.c.body_sha256, jobs.c.created_at).where(same)).one_or_none()
    if found is None:
        return None
    if found.created_at < moment.now - IDEMPOTENCY_SECONDS:
        connection.execute(update(jobs).where(jobs.c.id == found.id).values(idempotency_key=None))
        return None
    if found.body_sha256 != body_sha256:
        raise KeyReused(
            f"the idempotency key {key[:60]!r} was used for another request in the last 24 hours; "
            "send the same request again, or take a new key."
        )
    return found.id


def check_limits(connection: Connection, owner: str, cost: float, limits: Limits) -> None:
    """Whether an owner may have one more job, of this cost. Raises QueueFull, CostSpent."""
    if limits.max_queued is not None:
        waiting = select(func.count()).where(jobs.c.owner == owner, jobs.c.state == JobState.QUEUED)
        count = connection.execute(waiting).scalar_one()
        if count >= limits.max_queued:
            raise QueueFull(f"{count} jobs are waiting; at most {limits.max_queued} may. Wait for one, or cancel one.")
    if limits.max_cost is not None:
        spent = _spent(connection, owner, limits.cost_since)
        if spent + cost > limits.max_cost:
            raise CostSpent(
                f"this job costs {cost:.6g} and {spent:.6g} are spent; the limit is {limits.max_cost:.6g}. "
                "Ask for fewer pixels, frames or steps, or wait until it is reset."
            )


def _spent(connection: Connection, owner: str, since: float) -> float:
    never_began = (jobs.c.state == JobState.CANCELLED) & (jobs.c.token == 0)
    counted = (jobs.c.state != JobState.FAILED) & ~never_began
    costs = select(func.sum(jobs.c.cost)).where(jobs.c.owner == owner, jobs.c.created_at >= since, counted)
    return connection.execute(costs).scalar_one() or 0.0


def _insert(connection: Connection, wanted: Submission, moment: Moment) -> str:
    job_id = new_id()
    connection.execute(
        insert(jobs).values(
            id=job_id,
            owner=wanted.owner,
            state=JobState.QUEUED,
            priority=wanted.priority,
            model=wanted.model,
            cost=wanted.cost,
            rank=next_rank(connection, wanted.owner, wanted.priority, wanted.cost),
            annotations=dict(wanted.annotations),
            idempotency_key=wanted.idempotency_key,
            body_sha256=wanted.digest(),
            created_at=moment.now,
            **UNTRIED,
        )
    )
    connection.execute(insert(bodies).values(job_id=job_id, request=wanted.request, recipe=wanted.recipe))
    connection.execute(
        insert(events).values(job_id=job_id, sequence=1, kind="queued", at=moment.now, data={"attempts": 0})
    )
    return job_id


UNTRIED: dict[str, Any] = {
    "cancel_requested": False,
    "smaller_plan": False,
    "strikes": {},
    "result": [],
    "last_event": 1,
}
"""Columns of a job that nobody has tried yet."""


def next_rank(connection: Connection, owner: str, priority: int, cost: float) -> float:
    """The place at the end of an owner's own jobs in the fair order."""
    lane = (jobs.c.state == JobState.QUEUED) & (jobs.c.priority == priority)
    lowest = select(func.min(jobs.c.rank)).where(lane).scalar_subquery()
    own = select(func.max(jobs.c.rank)).where(lane, jobs.c.owner == owner).scalar_subquery()
    found = connection.execute(select(lowest.label("lowest"), own.label("own"))).one()
    return max(found.lowest or 0.0, found.own or 0.0) + cost


def retry(database: Database, connection: Connection, row: Any) -> None:
    """Put a job that failed or was cancelled back into the queue, its strikes forgiven."""
    moment = database.moment(connection)
    fresh = {name: value for name, value in UNTRIED.items() if name != "last_event"}
    change_job(
        connection,
        row.id,
        moment,
        "queued",
        {"attempts": row.token},
        state=JobState.QUEUED,
        rank=next_rank(connection, row.owner, row.priority, row.cost),
        passed_over=0,
        available_at=0.0,
        progress=None,
        error_code=None,
        error_message=None,
        finished_at=None,
        **fresh,
    )
