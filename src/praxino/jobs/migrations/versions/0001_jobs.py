"""Jobs, their bodies, attempts and events; workers."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _create_jobs()
    _create_parts_of_jobs()
    op.create_table(
        "workers",
        sa.Column("incarnation", sa.String(36), primary_key=True),
        sa.Column("device", sa.String(40), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    facts = op.create_table(
        "facts",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.bulk_insert(facts, [{"name": "store_id", "value": str(uuid.uuid4())}])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("cost", sa.Double, nullable=False),
        sa.Column("rank", sa.Double, nullable=False),
        sa.Column("passed_over", sa.Integer, nullable=False, server_default="0"),
        sa.Column("available_at", sa.Double, nullable=False, server_default="0"),
        sa.Column("token", sa.Integer, nullable=False, server_default="0"),
        sa.Column("worker", sa.String(36)),
        sa.Column("lease_until", sa.Double),
        sa.Column("lease_seconds", sa.Double),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("smaller_plan", sa.Boolean, nullable=False),
        sa.Column("strikes", sa.JSON, nullable=False),
        sa.Column("progress", sa.JSON),
        sa.Column("error_code", sa.String(40)),
        sa.Column("error_message", sa.Text),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("annotations", sa.JSON, nullable=False),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("last_event", sa.Integer, nullable=False),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="jobs_state"),
        sa.CheckConstraint("(state = 'running') = (worker IS NOT NULL)", name="jobs_worker"),
        sa.UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency"),
    )
    queued, running = sa.text("state = 'queued'"), sa.text("state = 'running'")
    in_order = [sa.text("priority DESC"), "rank", "id"]
    op.create_index("jobs_queue", "jobs", in_order, sqlite_where=queued, postgresql_where=queued)
    of_owner = ["owner", "priority", "rank"]
    op.create_index("jobs_queue_of_owner", "jobs", of_owner, sqlite_where=queued, postgresql_where=queued)
    op.create_index("jobs_running", "jobs", ["worker"], sqlite_where=running, postgresql_where=running)
    op.create_index("jobs_of_owner", "jobs", ["owner", "id"])
    op.create_index("jobs_finished", "jobs", ["finished_at"])


def _create_parts_of_jobs() -> None:
    def job_id() -> sa.Column:
        return sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)

    op.create_table(
        "bodies",
        job_id(),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("recipe", sa.JSON, nullable=False),
    )
    op.create_table(
        "attempts",
        job_id(),
        sa.Column("token", sa.Integer, primary_key=True),
        sa.Column("worker", sa.String(36), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("outcome", sa.String(40)),
        sa.Column("message", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "events",
        job_id(),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
