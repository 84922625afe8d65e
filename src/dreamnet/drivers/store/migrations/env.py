"""Runs the migrations on the connection that the store hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from dreamnet.drivers.store.tables import metadata, schema_version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=schema_version.name,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
