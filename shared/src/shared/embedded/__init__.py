"""Postgres and Valkey from wheels, as child processes: for `make demo` and for tests."""

from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
