"""Traefik, which asks a verifier about every request (forwardAuth), as people set it up for tokens."""

from pathlib import Path

ACCESS_LOG = "traefik-access.log"

_RULES = """
http:
  routers:
    all:
      rule: "PathPrefix(`/`)"
      service: upstream
      middlewares: [verified]
  middlewares:
    verified:
      forwardAuth:
        address: "http://127.0.0.1:{verifier}/verify"
  services:
    upstream:
      loadBalancer:
        servers:
          - url: "http://{upstream}"
"""


def command(program: Path, folder: Path, port: int, upstream: str, verifier_port: int) -> list[str]:
    rules = folder / "traefik-rules.yaml"  # traefik.yaml would be taken for its static configuration
    rules.write_text(_RULES.format(upstream=upstream, verifier=verifier_port))
    return [
        str(program),
        f"--entryPoints.web.address=127.0.0.1:{port}",
        f"--providers.file.filename={rules}",
        "--accessLog=true",
        f"--accessLog.filePath={folder / ACCESS_LOG}",
        "--log.level=ERROR",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
    ]
