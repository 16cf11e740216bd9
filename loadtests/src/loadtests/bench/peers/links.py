"""Links to Postgres and Redis that can be slowed down, cut and refused; for our services' Python.

`python links.py FOLDER postgres=SOCKET redis=SOCKET` writes the port of each link to `links.json`. Then a
line such as "postgres slow" or "redis heal", sent to the socket `links.sock`, is answered when that is done.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from shared.testing.faults import FAULTS
from shared.testing.link import Link, link

CONTROL = "links.sock"
PORTS = "links.json"


async def serve(folder: Path, targets: dict[str, Path]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        links = {name: await stack.enter_async_context(link(target)) for name, target in targets.items()}

        async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            name, _, what = (await reader.readline()).decode().strip().partition(" ")
            await {"heal": Link.heal, **FAULTS}[what](links[name])
            writer.write(b"done\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(obey, folder / CONTROL)
        part = folder / f"{PORTS}.part"
        part.write_text(json.dumps({name: one.port for name, one in links.items()}))
        part.rename(folder / PORTS)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    given = (pair.partition("=") for pair in sys.argv[2:])
    asyncio.run(serve(Path(sys.argv[1]), {name: Path(socket) for name, _, socket in given}))
