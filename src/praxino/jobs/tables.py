"""The tables, as SQLAlchemy Core. The truth about a job is its row in `jobs`. Holds no query.

A change here needs a migration in `migrations/versions` and its name in REVISION; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISION = "0001"
"""The newest migration: what this Praxino reads and writes."""

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("state", String(10), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("cost", Double, nullable=False),
    Column("rank", Double, nullable=False),
    Column("passed_over", Integer, nullable=False, server_default="0"),
    Column("available_at", Double, nullable=False, server_default="0"),
    Column("token", Integer, nullable=False, server_default="0"),
    Column("worker", String(36)),
    Column("lease_until", Double),
    Column("lease_seconds", Double),
    Column("cancel_requested", Boolean, nullable=False),
    Column("smaller_plan", Boolean, nullable=False),
    Column("strikes", JSON, nullable=False),
    Column("progress", JSON),
    Column("error_code", String(40)),
    Column("error_message", Text),
    Column("result", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("idempotency_key", String(200)),
    Column("body_sha256", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("last_event", Integer, nullable=False),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="jobs_state"),
    CheckConstraint("(state = 'running') = (worker IS NOT NULL)", name="jobs_worker"),
    UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency"),
)
"""rank: place in the fair order. passed_over: how often a later job went first because its model was in memory.
available_at and lease_until: by the database's lease clock (see database.py). strikes: failures by reason."""

_QUEUED = text("state = 'queued'")
_RUNNING = text("state = 'running'")

Index("jobs_queue", jobs.c.priority.desc(), jobs.c.rank, jobs.c.id, sqlite_where=_QUEUED, postgresql_where=_QUEUED)
Index("jobs_queue_of_owner", jobs.c.owner, jobs.c.priority, jobs.c.rank, sqlite_where=_QUEUED, postgresql_where=_QUEUED)
Index("jobs_running", jobs.c.worker, sqlite_where=_RUNNING, postgresql_where=_RUNNING)
Index("jobs_of_owner", jobs.c.owner, jobs.c.id)
Index("jobs_finished", jobs.c.finished_at)

bodies = Table(
    "bodies",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("request", JSON, nullable=False),
    Column("recipe", JSON, nullable=False),
)
"""Kept apart because they can hold pictures, and a row of `jobs` is written anew at every change."""

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("token", Integer, primary_key=True),
    Column("worker", String(36), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("outcome", String(40)),
    Column("message", Text, nullable=False, server_default=""),
)

events = Table(
    "events",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("at", Double, nullable=False),
    Column("data", JSON, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("incarnation", String(36), primary_key=True),
    Column("device", String(40), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("ended_at", Double),
)

facts = Table(
    "facts",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""store_id: the database's own name; a results folder belongs to one database."""
