"""Makes an administrator, or takes it back: `python -m users.admin grant ada@example.com`."""

import argparse
import asyncio

from shared.logging import configure_logging
from shared.settings import load_settings
from users.commands import services
from users.domain import User
from users.settings import UsersSettings


async def set_admin(settings: UsersSettings, email: str, *, admin: bool) -> User:
    """Raises SystemExit with one line when it cannot be done, and then nothing has changed."""
    async with services(settings, "users-admin") as factory:
        return await factory.administration().set_admin(email, admin=admin)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m users.admin", description=__doc__)
    parser.add_argument("action", choices=["grant", "revoke"])
    parser.add_argument("email")
    given = parser.parse_args()
    settings = load_settings(UsersSettings)
    configure_logging(settings.model_copy(update={"log_level": "warning"}))  # the line below says it all
    user = asyncio.run(set_admin(settings, given.email, admin=given.action == "grant"))
    role = "an administrator" if user.is_admin else "not an administrator"
    print(f"{user.email} is {role} now")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
