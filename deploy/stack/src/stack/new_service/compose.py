"""A new service in docker-compose.yml."""

from stack.catalogue import Service
from stack.new_service.text import after, before

MIGRATE = """  {name}-migrate:
    <<: *step
    image: facet-{name}
    build: &{name}-build
      context: .
      dockerfile: deploy/Dockerfile
      args: {{MEMBER: {name}, FOLDER: {folder}}}
    command: [{name}.migrations]
    environment: &{name}-database
      {VARIABLE}_SECRETS_DIR: /secrets
      {VARIABLE}_DATABASE_URL: postgresql+asyncpg://{name}@postgres/{name}
    volumes: ["secrets-{name}-database:/secrets:ro,nocopy"]
    networks: [databases]
    depends_on: {{provision: {{condition: service_completed_successfully}}}}

"""
SERVER = """  {name}:
    <<: *service
    image: facet-{name}
    build: *{name}-build
    command: [{name}]
    environment:
      <<: *{name}-database
      {VARIABLE}_ENVIRONMENT: *environment
      {VARIABLE}_HOST: 0.0.0.0
      {VARIABLE}_METRICS_PORT: {metrics_port}
      {VARIABLE}_REDIS_URL: *redis
      {VARIABLE}_REDIS_USERNAME: {name}
      {VARIABLE}_JWKS_URL: *jwks
    volumes: ["secrets-{name}:/secrets:ro,nocopy"]
    networks: [inner, databases, cache]
    mem_limit: 256m
    healthcheck: {{<<: *healthy, test: [CMD, python, -I, -S, healthy.py, "{port}"]}}
    depends_on:
      {name}-migrate: {{condition: service_completed_successfully}}
      postgres: {{condition: service_healthy}}
      redis: {{condition: service_healthy}}

"""


def compose(text: str, service: Service) -> str:
    name = service.name
    given = {**service.model_dump(), "VARIABLE": service.variable}
    text = before(text, r"^  users:$", MIGRATE.format(**given))
    text = before(text, r"^  ml-predict:$", SERVER.format(**given))
    text = _behind_the_gateway(text, service)
    folders = [f"      - secrets-{holder}:/secrets/{holder}" for holder in (f"{name}-database", name)]
    text = after(text, r"^      - secrets-items:/secrets/items$", "".join(f"\n{line}" for line in folders))
    text = after(text, r"shared\.provision, [a-z, -]*?items", f", {name}")
    password = f"\n      - secrets-{name}-database:/secrets/{name}:ro,nocopy"
    text = after(text, r"^      - secrets-items-database:/secrets/items:ro,nocopy$", password)
    return after(text, r"^  secrets-items:$", f"\n  secrets-{name}-database:\n  secrets-{name}:")


def _behind_the_gateway(text: str, service: Service) -> str:
    url = f"\n      GATEWAY_{service.variable}_URL: http://{service.name}:{service.port}"
    text = after(text, r"^      GATEWAY_ITEMS_URL: .*$", url)
    start = text.index("\n  gateway:")
    needed = f"      {service.name}: {{condition: service_started}}\n"
    gateway = before(text[start:], r"^      ml-predict: {condition: service_started}$", needed)
    return text[:start] + gateway
