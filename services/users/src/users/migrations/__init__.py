"""Migrations of the database `users`."""

from pathlib import Path

FOLDER = Path(__file__).parent
