"""Writes a new migration: `python -m stack.migration items "Add a colour"`.

Compares the service's tables with what its migrations make, in a Postgres of its own that is thrown away.
"""

import argparse
import asyncio
import io
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.operations.ops import MigrationScript
from alembic.script import ScriptDirectory

from shared.embedded import EmbeddedPostgres
from shared.migrations import alembic_config, upgrade
from shared.provision import provision
from shared.settings import DatabaseSettings
from stack.catalogue import ROOT, Service, services
from stack.exceptions import StackFailed
from stack.terminal import Terminal

DIGITS = 4


def write_migration(service: Service, message: str, migrations: Path | None = None) -> Path:
    """The new file, in `migrations` or the service's own folder. Raises StackFailed."""
    if not service.database:
        raise StackFailed(f"{service.name} owns no database")
    folder = migrations or ROOT / service.folder / "src" / service.package / "migrations"
    with tempfile.TemporaryDirectory(prefix="facet-migration-", ignore_cleanup_errors=True) as temporary:
        log = Path(temporary) / "log"
        postgres = EmbeddedPostgres(Path(temporary) / "postgres", secrets.token_hex(), log, durable=False)
        postgres.start()
        try:
            return _compare(service, message, folder, postgres)
        finally:
            postgres.stop()


def _compare(service: Service, message: str, folder: Path, postgres: EmbeddedPostgres) -> Path:
    password = secrets.token_hex()
    asyncio.run(provision(postgres.admin_url, {service.package: password}))
    settings = DatabaseSettings.model_validate(
        {"database_url": postgres.url(service.package, service.package), "database_password": password}
    )
    upgrade(folder, settings)
    config = alembic_config(folder, settings)
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.stdout = io.StringIO()  # the caller says where the file is
    head = ScriptDirectory.from_config(config).get_current_head()
    number = str(int(head or 0) + 1).zfill(DIGITS)
    command.revision(
        config, message, autogenerate=True, rev_id=number, process_revision_directives=_leave_out_empty
    )
    written = next((folder / "versions").glob(f"{number}_*.py"), None)
    if written is None:
        raise StackFailed(
            f"nothing is written: {service.name} has no change in tables.py without a migration"
        )
    _format(written)
    return written


def _leave_out_empty(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    """Alembic would write a file that does nothing."""
    directives[:] = [one for one in directives if one.upgrade_ops and not one.upgrade_ops.is_empty()]


def _format(path: Path) -> None:
    if ruff := shutil.which("ruff", path=str(Path(sys.executable).parent)):
        for words in (["check", "--fix"], ["format"]):
            subprocess.run([ruff, *words, "--quiet", str(path)], check=False)  # noqa: S603 - our own tool


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack.migration", description=__doc__)
    parser.add_argument("service", choices=[name for name, entry in services().items() if entry.database])
    parser.add_argument("message", help="what the migration does, in a few words")
    given = parser.parse_args()
    try:
        written = write_migration(services()[given.service], given.message)
    except StackFailed as error:
        Terminal(sys.stderr).bad(str(error))
        return 1
    Terminal().line(f"written: {written.relative_to(ROOT)}; read it, then run make test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
