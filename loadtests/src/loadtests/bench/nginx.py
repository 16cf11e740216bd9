"""nginx as the upstream that costs nearly nothing, and as the proxy that sets the practical limit."""

from pathlib import Path

from loadtests.bench.rig import find

FILES = "/bytes"
JWKS_PATH = "/.well-known/jwks.json"
ACCESS_LOG = "nginx-access.log"
VERIFYING_LOG = "nginx-verifying-access.log"

_FRAME = """
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log {access_log};
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  keepalive_timeout 75;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_buffer_size 256k;
  proxy_max_temp_file_size 0;
  proxy_buffers 16 32k;
{inside}
}}
"""
_STATIC = """
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    location = {jwks_path} {{ return 200 '{jwks}'; }}
    location {files}/ {{ root {folder}; }}
    location / {{ return 200 '{body}'; }}
  }}
"""
_PROXY = """
  upstream static {{
    server {upstream};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      {check}
      proxy_pass http://static;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
    {verify}
  }}
"""
_VERIFY = """
    location = /_verify {{
      internal;
      proxy_pass http://verifier/verify;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
"""
_VERIFIER = (
    "  upstream verifier {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000; }}\n"
)


def upstream_command(folder: Path, port: int, body: str, jwks: str) -> list[str]:
    """Answers everything with `body`, JSON, on connections that stay open; under `FILES` with files."""
    inside = _STATIC.format(port=port, jwks_path=JWKS_PATH, jwks=jwks, body=body, files=FILES, folder=folder)
    return _command(folder, "upstream", inside, access_log="off")


def proxy_command(folder: Path, port: int, upstream: str) -> list[str]:
    """Passes everything on to `upstream` (host:port), and logs each request as production does."""
    inside = _PROXY.format(port=port, upstream=upstream, check="", verify="")
    return _command(folder, "proxy", inside, access_log=f"{folder}/{ACCESS_LOG}")


def verifying_command(folder: Path, port: int, upstream: str, verifier_port: int) -> list[str]:
    """The same, and asks `/verify` about each request first (auth_request)."""
    inside = _VERIFIER.format(port=verifier_port)
    check = "auth_request /_verify;"
    inside += _PROXY.format(port=port, upstream=upstream, check=check, verify=_VERIFY.format())
    return _command(folder, "verifying", inside, access_log=f"{folder}/{VERIFYING_LOG}")


def _command(folder: Path, name: str, inside: str, access_log: str) -> list[str]:
    config = folder / f"{name}.conf"
    config.write_text(_FRAME.format(folder=folder, name=name, access_log=access_log, inside=inside))
    return [find("nginx") or "nginx", "-e", "stderr", "-p", str(folder), "-c", str(config)]
