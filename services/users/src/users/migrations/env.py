"""Run by alembic."""

from shared.migrations import run_migrations
from users.tables import Base

run_migrations(Base.metadata)
