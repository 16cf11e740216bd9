"""Migrations of the database `widgets`."""

from pathlib import Path

FOLDER = Path(__file__).parent
