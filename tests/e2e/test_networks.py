"""Who reaches whom between the containers, and what a process in one of them may do to it."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

_PORTS = {"gateway": 5000, "keycloak": 8080, "minio-1": 9000, "mlflow": 5000, "postgres": 5432}
_KNOWN_TO_EACH_OTHER = ({"gateway", "keycloak", "minio-1", "mlflow"}, {"postgres", "keycloak", "mlflow"})
# Prints those of its arguments, host:port, that take a connection; what is cut off does not answer at all.
_REACHED = """
for target; do
    timeout 2 bash -c "exec 3<>/dev/tcp/${target%:*}/${target#*:}" 2>/dev/null && echo "$target" &
done
wait
"""


@pytest.fixture(scope="module")
def addresses(platform: Platform) -> dict[str, dict[str, str]]:
    """By service and network, in which none is like that of another."""
    return {
        service: {
            name: endpoint["IPAddress"]
            for name, endpoint in platform.stack.container(service).attrs["NetworkSettings"]["Networks"].items()
        }
        for service in _PORTS
    }


def reached(platform: Platform, service: str, targets: list[str]) -> set[str]:
    return set(platform.stack.run(service, ["bash", "-c", _REACHED, "bash", *targets]).split())


def expected(service: str, addresses: dict[str, dict[str, str]]) -> Iterator[tuple[str, bool]]:
    """Each address of every other service, names too, and whether it is to be reached."""
    for other, port in _PORTS.items():
        if other != service:
            yield f"{other}:{port}", any({service, other} <= known for known in _KNOWN_TO_EACH_OTHER)
            for network, address in addresses[other].items():
                yield f"{address}:{port}", network in addresses[service]


def test_a_service_reaches_those_it_works_with_and_nobody_else_by_name_or_by_address(
    platform: Platform, addresses: dict[str, dict[str, str]]
):
    wanted = {service: dict(expected(service, addresses)) for service in _PORTS}
    with ThreadPoolExecutor(len(_PORTS)) as pool:
        found = pool.map(lambda service: reached(platform, service, list(wanted[service])), _PORTS)
    assert dict(zip(_PORTS, found, strict=True)) == {
        service: {target for target, reachable in targets.items() if reachable} for service, targets in wanted.items()
    }
    unreachable = {(service, target) for service in wanted for target, yes in wanted[service].items() if not yes}
    (database,) = addresses["postgres"].values()
    for service in ("gateway", "minio-1"):
        assert {(service, "postgres:5432"), (service, f"{database}:5432")} <= unreachable


@pytest.mark.parametrize("service", _PORTS)
def test_nobody_changes_what_a_service_is_made_of_or_told_not_even_root(platform: Platform, service: str):
    container = platform.stack.container(service)
    files = platform.stack.container(f"{service}-files").attrs["Mounts"]
    told = sorted(mount["Destination"] for mount in files if mount["Destination"] not in ("/var/lib/postgresql/data",))
    paths = [f"{folder}/written" for folder in ("", "/etc", "/usr/bin", "/opt", "/root", *told)]
    done = subprocess.run(
        ["docker", "exec", "--user=0", str(container.name), "touch", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    refused = [line for line in done.stderr.splitlines() if line.endswith("Read-only file system")]
    assert len(refused) == len(paths), done.stderr


@pytest.mark.parametrize("service", _PORTS)
def test_a_service_has_no_capability_and_gains_none(platform: Platform, service: str):
    status = platform.stack.run(service, ["cat", "/proc/1/status"])
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (int(said["CapEff"], 16), int(said["CapPrm"], 16), said["NoNewPrivs"]) == (0, 0, "1")
    assert "0" not in said["Uid"].split()
