"""Traefik: plain, and asking a verifier about every request (forwardAuth), as people set it up for tokens."""

from pathlib import Path

_PLAIN = """
http:
  routers:
    all:
      rule: "PathPrefix(`/`)"
      service: upstream
{middlewares}  services:
    upstream:
      loadBalancer:
        servers:
          - url: "http://{upstream}"
"""
_VERIFIED = """      middlewares: [verified]
  middlewares:
    verified:
      forwardAuth:
        address: "http://127.0.0.1:{verifier}/verify"
"""


def access_log(name: str) -> str:
    return f"{name}-access.log"


def command(
    program: Path,
    folder: Path,
    port: int,
    upstream: str,
    *,
    name: str,
    verifier_port: int | None = None,
    log: bool = True,
) -> list[str]:
    """`name` keeps the files of several apart."""
    rules = folder / f"{name}-rules.yaml"  # traefik.yaml would be taken for its static configuration
    checked = "" if verifier_port is None else _VERIFIED.format(verifier=verifier_port)
    rules.write_text(_PLAIN.format(upstream=upstream, middlewares=checked))
    logging = ["--accessLog=true", f"--accessLog.filePath={folder / access_log(name)}"] if log else []
    return [
        str(program),
        f"--entryPoints.web.address=127.0.0.1:{port}",
        f"--providers.file.filename={rules}",
        "--providers.file.watch=false",  # it would wake for each line of all logs in the folder
        *logging,
        "--log.level=ERROR",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
    ]
