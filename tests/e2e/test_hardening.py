"""What a break-in would find: little to use, and nobody else's secrets."""

import subprocess
import tomllib

import pytest

from stack.catalogue import services
from tests.e2e.system import ROOT, System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SERVICES = tuple(services())
SERVERS = (*SERVICES, "postgres", "redis")
MIGRATIONS = (f"{name}-migrate" for name, service in services().items() if service.database)
STEPS = ("secrets", "provision", *MIGRATIONS, "sample")
PLAN = tomllib.loads((ROOT / "deploy" / "secrets.toml").read_text())
HOLDERS = {name: files for name, files in PLAN.items() if name in SERVERS}  # the others are steps

OTHER_DATABASE = """
import asyncio, asyncpg, pathlib
password = pathlib.Path("/secrets/users_database_password").read_text()
asyncio.run(asyncpg.connect(host="postgres", user="users", password=password, database="{database}"))
print("let in")
"""
REACH = "import socket; socket.create_connection(({host!r}, {port}), 3); print('reached')"


@pytest.mark.parametrize("service", [*SERVERS, *STEPS])
def test_a_container_has_no_more_than_it_needs(system: System, service: str) -> None:
    host = system.inspect(service)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert 0 < host["Memory"] <= 512 * 1024**2
    assert 0 < host["PidsLimit"] <= 200
    assert host["LogConfig"]["Config"]["max-size"]


@pytest.mark.parametrize("service", SERVERS)
def test_a_server_comes_back_by_itself(system: System, service: str) -> None:
    assert system.inspect(service)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize("service", STEPS)
def test_a_step_that_has_run_has_gone(system: System, service: str) -> None:
    state = system.inspect(service)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


@pytest.mark.parametrize("service", SERVERS)
def test_nobody_is_root(system: System, service: str) -> None:
    assert system.run(service, "id", "-u").strip() != "0"


@pytest.mark.parametrize("service", SERVERS)
def test_nothing_can_be_written_beside_the_data(system: System, service: str) -> None:
    with pytest.raises(subprocess.CalledProcessError, match="touch"):
        system.run(service, "touch", "/usr/local/bin/planted")


@pytest.mark.parametrize("service", SERVERS)
def test_only_the_gateway_is_published_and_only_here(system: System, service: str) -> None:
    bindings = system.inspect(service)["HostConfig"]["PortBindings"] or {}
    published = {port: [binding["HostIp"] for binding in bound] for port, bound in bindings.items()}
    assert published == ({"8000/tcp": ["127.0.0.1"]} if service == "gateway" else {})


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_holder_sees_its_own_secrets_and_cannot_change_them(system: System, holder: str) -> None:
    assert set(system.run(holder, "ls", "/secrets").split()) == set(HOLDERS[holder])
    name = next(iter(HOLDERS[holder]))
    with pytest.raises(subprocess.CalledProcessError):
        system.run(holder, "sh", "-c", f"echo changed > /secrets/{name}")


def test_no_secret_stands_in_an_environment_a_command_line_or_a_log(system: System) -> None:
    shown = system.compose("logs") + "".join(str(system.inspect(service)) for service in (*SERVERS, *STEPS))
    for holder, names in HOLDERS.items():
        for name in names:
            secret = system.run(holder, "cat", f"/secrets/{name}").strip().splitlines()
            assert secret[len(secret) // 2] not in shown, name


def test_the_users_role_opens_its_own_database_and_no_other(system: System) -> None:
    assert system.run("users", "python", "-c", OTHER_DATABASE.format(database="users")).strip() == "let in"
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        system.run("users", "python", "-c", OTHER_DATABASE.format(database="items"))
    assert "permission denied for database" in refusal.value.stderr


@pytest.mark.parametrize("service", ["gateway", "ml-predict"])
def test_who_has_no_database_cannot_reach_the_server(system: System, service: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        system.run(service, "python", "-c", REACH.format(host="postgres", port=5432))


def test_only_the_gateway_stands_in_a_network_with_a_way_out(system: System) -> None:
    for service in SERVERS:
        networks = system.inspect(service)["NetworkSettings"]["Networks"]
        joined = {name.removeprefix(f"{system.project}_") for name in networks}
        assert ("outside" in joined) == (service == "gateway")
        assert joined <= {"outside", "inner", "databases", "cache"}
    for network in ("inner", "databases", "cache"):
        shown = subprocess.run(  # noqa: S603 - ours
            ["docker", "network", "inspect", "-f", "{{.Internal}}", f"{system.project}_{network}"],  # noqa: S607
            check=True,
            capture_output=True,
            text=True,
        )
        assert shown.stdout.strip() == "true"


@pytest.mark.parametrize(
    ("service", "port"), [(name, service.metrics_port) for name, service in services().items()]
)
def test_metrics_are_inside_only(healthy: System, service: str, port: int) -> None:
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
    assert "http_requests_total" in healthy.run(service, "python", "-c", ask)
    assert healthy.answers("/metrics") in {401, 404}


def test_an_image_holds_no_tests_and_no_tools_to_build_with(system: System) -> None:
    for service in SERVICES:
        found = system.run(service, "sh", "-c", "command -v gcc cc uv pip3-compile || true; ls /app")
        assert "gcc" not in found
        assert "uv" not in found.split()
        assert "tests" not in found.split()
    with pytest.raises(subprocess.CalledProcessError):
        system.run("ml-predict", "python", "-c", "import sklearn")


INTERNAL = """
import urllib.request, urllib.error
request = urllib.request.Request("http://users:8001/internal/api-keys/exchange", method="POST")
try: print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error: print(error.code)
"""
END_A_SESSION = """
import asyncio, pathlib, redis.asyncio
async def run():
    password = pathlib.Path("/secrets/items_redis_password").read_text().strip()
    client = redis.asyncio.Redis(host="redis", username="items", password=password)
    print(await client.ping())
    await client.zadd("identity:ended", {"session": 1.0})
asyncio.run(run())
"""


def test_another_service_finds_no_internal_route(healthy: System) -> None:
    assert healthy.run("items", "python", "-c", INTERNAL).strip() == "404"


def test_another_service_cannot_end_a_session(healthy: System) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        healthy.run("items", "python", "-c", END_A_SESSION)
    assert "no permissions" in refusal.value.stderr.lower()
    assert "True" in refusal.value.stdout
