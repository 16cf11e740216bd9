"""A wrk script that posts bodies in turn, whatever their bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.bench.wrk import IN_TURN


def write_posts(script: Path, bodies: Sequence[bytes], headers: Mapping[str, str]) -> None:
    listed = ",\n".join(f'"{_escaped(body)}"' for body in bodies)
    given = ", ".join(f'["{name}"] = "{value}"' for name, value in headers.items())
    script.write_text(
        f"local bodies = {{\n{listed}\n}}\nlocal headers = {{ {given} }}\n"
        "local requests, turn = {}, 0\n"
        "function init(_)\n"
        "  for place, body in ipairs(bodies) do\n"
        '    requests[place] = wrk.format("POST", nil, headers, body)\n'
        "  end\n"
        "end\n" + IN_TURN
    )


def _escaped(body: bytes) -> str:
    """As the inside of a Lua string: each byte that could mean something else by its number."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03d}" for byte in body)  # noqa: PLR2004 - ASCII
