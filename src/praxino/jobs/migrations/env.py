"""Alembic's entry: runs the scripts on the connection that `praxino.jobs.database` is holding."""

from alembic import context

from praxino.jobs.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
