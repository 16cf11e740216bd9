"""Run by alembic."""

from shared.migrations import run_migrations
from users.tables import metadata

run_migrations(metadata)
