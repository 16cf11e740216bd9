"""Caddy: plain, and asking a verifier about every request (forward_auth)."""

from pathlib import Path

_SITE = """
{{
  admin off
  auto_https off
  persist_config off
}}
http://127.0.0.1:{port} {{
  log {{
    output file {log} {{
      roll_disabled
    }}
  }}
{check}  reverse_proxy {upstream}
}}
"""
_CHECK = """  forward_auth 127.0.0.1:{verifier} {{
    uri /verify
  }}
"""


def access_log(name: str) -> str:
    return f"{name}-access.log"


def command(
    program: Path, folder: Path, port: int, upstream: str, *, name: str, verifier_port: int | None = None
) -> list[str]:
    """`name` keeps the files of several apart."""
    site = folder / f"{name}.caddyfile"
    check = "" if verifier_port is None else _CHECK.format(verifier=verifier_port)
    site.write_text(_SITE.format(port=port, log=folder / access_log(name), check=check, upstream=upstream))
    return [str(program), "run", "--config", str(site), "--adapter", "caddyfile"]
