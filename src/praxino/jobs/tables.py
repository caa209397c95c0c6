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

REVISION = "0002"
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

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("requests_per_minute", Integer),
    Column("credits_per_day", Double),
    Column("max_queued", Integer),
    Column("max_priority", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)
"""digest: SHA-256 of the secret, which is kept nowhere. See `praxino.server.keys`."""

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("extension", String(8), nullable=False),
    Column("num_bytes", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("num_frames", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
)
"""Pictures and clips that owners have sent. See `praxino.server.inputs`."""

Index("uploads_used", uploads.c.used_at)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("event", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("status", Integer),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="deliveries_state"),
)
"""Webhooks: one row for each ending of a job that has one. See `praxino.server.webhooks`."""

_WAITING = text("state = 'waiting'")

Index("deliveries_of_job", deliveries.c.job_id)
Index("deliveries_due", deliveries.c.next_at, sqlite_where=_WAITING, postgresql_where=_WAITING)
