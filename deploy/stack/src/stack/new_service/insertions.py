"""Where a new service is named outside its folder: one function for each file.

Each returns the file's text with the service in it, and raises StackFailed if it finds no place.
"""

import re
from collections.abc import Callable

from stack.catalogue import Service
from stack.new_service import cluster
from stack.new_service.compose import compose
from stack.new_service.text import after, before

Insert = Callable[[str, Service], str]


def services_toml(text: str, service: Service) -> str:
    entry = (
        f'[{service.name}]\nfolder = "{service.folder}"\nport = {service.port}\n'
        f"metrics_port = {service.metrics_port}\ndatabase = true\n\n"
    )
    return before(text, r"^\[gateway\]", entry)


def pyproject(text: str, service: Service) -> str:
    text = before(text, r'"deploy/stack"\]', f'"{service.folder}", ')
    text = before(text, r'deploy/stack/src"$', f"{service.folder}/src:")
    text = before(text, r'"deploy/stack/tests"', f'"{service.folder}/tests", ')
    return after(text, r'^source_pkgs = \[.*"ml_predict"', f', "{service.package}"')


def gateway_settings(text: str, service: Service) -> str:
    field = f"{service.package}_url"
    default = f'\n    {field}: str = "http://127.0.0.1:{service.port}"'
    text = after(text, r'^    \w+_url: str = "http://127\.0\.0\.1:\d+"', default)
    text = after(text, r'@field_validator\("users_url"[^)]*"', f', "{field}"')
    return after(text, r'"ml-predict": self\.ml_predict_url', f', "{service.name}": self.{field}')


def routes(text: str, service: Service) -> str:
    name = service.name
    allowed = {f"/{name}": '["GET", "POST"]', f"/{name}/{{{name.removesuffix('s')}_id}}": '["GET"]'}
    added = "".join(
        f'\n[[route]]\npath = "{path}"\nmethods = {methods}\nupstream = "{name}"\nauth = "required"\n'
        for path, methods in allowed.items()
    )
    return f"{text.rstrip()}\n\n# {name.capitalize()}\n{added}"


def secrets(text: str, service: Service) -> str:
    name = service.name
    redis = f'{name}_redis_password = "password:redis-{name}"\n'
    database = f'{name}_database_password = "password:{name}-database"\n'
    text = before(text, r"^gateway_redis_password", redis)
    return f"{text.rstrip()}\n\n[{name}-database]\n{database}\n[{name}]\n{database}{redis}"


def redis_acl(text: str, service: Service) -> str:
    """The same rights as `items` has, to keys of its own."""
    (line,) = re.findall(r"^user items .*$", text, re.MULTILINE)
    return f"{text.rstrip()}\n{line.replace('items', service.name)}\n"


def workers(text: str, service: Service) -> str:
    return f"{text.rstrip()}\n{service.variable}_WORKERS=1\n"


def dockerfile(text: str, service: Service) -> str:
    holders = f" {service.name}-database {service.name}"
    return after(text, r"for holder in [a-z -]*?items-database items", holders)


INSERTIONS: dict[str, Insert] = {
    "services.toml": services_toml,
    "pyproject.toml": pyproject,
    "gateway/src/gateway/settings.py": gateway_settings,
    "gateway/src/gateway/routes.toml": routes,
    "deploy/secrets.toml": secrets,
    "deploy/redis.acl": redis_acl,
    "deploy/workers.env": workers,
    "deploy/Dockerfile": dockerfile,
    "docker-compose.yml": compose,
    "deploy/cluster/base.yaml": cluster.variables,
    "deploy/cluster/migrate.yaml": cluster.job,
    "deploy/cluster/network.yaml": cluster.policies,
    "deploy/cluster/README.md": cluster.readme,
}
