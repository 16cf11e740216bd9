"""What the commands share: services with connections of their own, and one line for a failure."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import PostgresError
from redis.exceptions import RedisError

from shared.database import Database
from shared.exceptions import ServiceError
from shared.redis import request_client
from users.factory import Factory
from users.settings import UsersSettings


@asynccontextmanager
async def services(settings: UsersSettings, name: str) -> AsyncIterator[Factory]:
    """Raises SystemExit with one line when something cannot be done, and then nothing has changed."""
    database = Database(settings, name)
    try:
        async with request_client(settings) as redis:
            yield Factory(settings, database, redis)
    except ServiceError as error:
        raise SystemExit(str(error)) from None
    except RedisError as error:
        raise SystemExit(f"Redis cannot be asked ({type(error).__name__}): nothing has changed") from None
    except PostgresError as error:
        raise SystemExit(f"Postgres refuses ({type(error).__name__}): is it migrated?") from None
    finally:
        await database.close()
