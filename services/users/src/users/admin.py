"""Makes an administrator, or takes it back: `python -m users.admin grant ada@example.com`."""

import argparse
import asyncio

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from shared.cache import request_client
from shared.database import Database
from shared.exceptions import ServiceError
from shared.logging import configure_logging
from shared.settings import load_settings
from users.administration import AdminService
from users.lifespan import make_revoker
from users.repository import Store
from users.settings import UsersSettings
from users.tables import User


async def set_admin(settings: UsersSettings, email: str, *, admin: bool) -> User:
    """Raises SystemExit with one line when it cannot be done, and then nothing has changed."""
    database = Database(settings, "users-admin")
    try:
        async with request_client(settings) as redis:
            service = AdminService(Store(database), make_revoker(redis, settings))
            return await service.set_admin(email, admin=admin)
    except ServiceError as error:
        raise SystemExit(str(error)) from None
    except RedisError as error:
        raise SystemExit(f"Redis cannot be asked ({type(error).__name__}): nothing has changed") from None
    except DBAPIError as error:
        raise SystemExit(f"Postgres refuses ({type(error.orig).__name__}): is it migrated?") from None
    finally:
        await database.close()


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
