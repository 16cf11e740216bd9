"""Run by alembic."""

from shared.migrations import run_migrations
from widgets.tables import metadata

run_migrations(metadata)
