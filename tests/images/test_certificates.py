"""Certificates from a real ACME server (pebble) to the handshakes of a real NGINX, and what may go wrong on the way.

Loads are bounded: 4 clients and 50 slow downloads, all over loopback.
"""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from docker.models.containers import Container

from tests.images.acme import (
    KEYCLOAK,
    MLFLOW,
    OWN,
    SERVED,
    SLOW_BYTES,
    Stage,
    key_of,
    names_of,
    output,
    pair,
    said,
    served,
    status,
    until,
)
from tests.images.handshakes import download_slowly, handshakes
from tests.images.pebble import orders


@pytest.fixture
def stage(local_image: Callable[[str], str]) -> Iterator[Stage]:
    stage = Stage(local_image("nginx"))
    try:
        yield stage
    finally:
        stage.close()


def is_placeholder(port: int) -> bool:
    return "Placeholder" in served(port).subject.rfc4514_string()


def wait_until_issued(gateway: Container, port: int) -> None:
    until(lambda: status(gateway)["issued"], 120)  # Certbot's own start takes seconds, and far more on a busy machine
    until(lambda: not is_placeholder(port))


def error_of(gateway: Container) -> str:
    return until(lambda: status(gateway)["error"])


def deploy(container: Container, name: str) -> str:
    return output(container, "sh", f"{OWN}/deploy.sh", f"{OWN}/{name}.pem", f"{OWN}/{name}.key")


def test_a_placeholder_is_served_until_the_first_certificate_is_there(stage: Stage):
    pebble = stage.pebble()
    keeper = stage.keeper(MLFLOW, KEYCLOAK)
    gateway = stage.gateway(MLFLOW, KEYCLOAK)
    port = stage.port(gateway)
    until(lambda: is_placeholder(port))
    assert names_of(served(port)) == {MLFLOW, KEYCLOAK}

    wait_until_issued(gateway, port)
    certificate = served(port, KEYCLOAK, authority=stage.root_of(pebble))
    assert names_of(certificate) == {MLFLOW, KEYCLOAK}
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert status(gateway) == {**status(gateway), "issued": True, "error": None, "domains": [MLFLOW, KEYCLOAK]}

    closed = output(gateway, "sh", "-c", "find /certificates ! -readable 2>/dev/null || true", user="101:101")
    assert closed.split() == ["/certificates/acme"]
    with pytest.raises(ValueError, match="Read-only file system"):
        output(gateway, "touch", f"{SERVED}/current.conf", user="root")
    assert len(said(keeper)) == 3
    assert stage.end(keeper) < 3


@pytest.mark.slow
def test_renewals_are_seen_by_new_handshakes_and_by_no_connection_that_is_open(stage: Stage):
    stage.pebble(lifetime=30)
    stage.keeper(MLFLOW, check_seconds=2, retry_seconds=2)
    gateway = stage.gateway(MLFLOW)
    port = stage.port(gateway)
    wait_until_issued(gateway, port)

    with handshakes(port) as seen:
        lengths = download_slowly(port, connections=50)
    print(f"{len(seen.failures)} of {seen.total} handshakes failed, {len(seen.serials)} certificates")
    assert lengths == [SLOW_BYTES] * 50
    assert seen.failures == []
    assert len(seen.serials) >= 2
    assert len(seen.keys) == 1


@pytest.mark.slow
def test_while_the_acme_server_is_down_the_old_certificate_is_served_and_then_it_heals(stage: Stage):
    """This server has forgotten the account when it comes back, too."""
    pebble = stage.pebble(lifetime=20)
    keeper = stage.keeper(MLFLOW, check_seconds=2, retry_seconds=2)
    gateway = stage.gateway(MLFLOW)
    port = stage.port(gateway)
    wait_until_issued(gateway, port)
    pebble.stop(timeout=0)

    error = error_of(gateway)
    assert MLFLOW in error
    assert "cannot be reached" in error
    assert until(lambda: [line for line in said(keeper) if line.startswith(error)])
    old = served(port)
    until(lambda: time.time() > old.not_valid_after_utc.timestamp(), 60)
    assert served(port) == old

    pebble.start()
    until(lambda: served(port) != old, 120)
    assert until(lambda: not status(gateway)["error"])
    assert key_of(served(port)) == key_of(old)


@pytest.mark.slow
def test_other_settings_are_another_certificate_at_once_and_only_another_kind_of_key_is_another_key(stage: Stage):
    pebble = stage.pebble()
    keeper = stage.keeper(MLFLOW)
    gateway = stage.gateway(MLFLOW, KEYCLOAK)
    port = stage.port(gateway)
    wait_until_issued(gateway, port)
    first = served(port)

    stage.end(keeper)
    keeper = stage.keeper(MLFLOW, KEYCLOAK)
    until(lambda: served(port) != first)
    second = served(port)
    assert names_of(second) == {MLFLOW, KEYCLOAK}
    assert key_of(second) == key_of(first)

    stage.end(keeper)
    elsewhere = "https://PEBBLE:14000/dir"  # the same server, but who would know
    keeper = stage.keeper(MLFLOW, KEYCLOAK, directory=elsewhere)
    until(lambda: served(port) != second)
    third = served(port)
    assert key_of(third) == key_of(first)

    stage.end(keeper)
    keeper = stage.keeper(MLFLOW, KEYCLOAK, directory=elsewhere, key_type="rsa")
    until(lambda: isinstance(served(port).public_key(), rsa.RSAPublicKey))
    assert not any(is_placeholder(port) for _ in range(10))

    asked = orders(pebble)
    stage.end(keeper)
    stage.keeper(MLFLOW, KEYCLOAK, directory=elsewhere, key_type="rsa")
    time.sleep(5)
    assert orders(pebble) == asked == 4


@pytest.mark.slow
def test_a_certificate_that_lives_for_an_hour_is_looked_at_often_and_asked_for_once(stage: Stage):
    """certbot 4.0 by itself renews all that ends within 30 days, at each look."""
    pebble = stage.pebble(lifetime=3600)
    stage.keeper(MLFLOW, check_seconds=2)
    gateway = stage.gateway(MLFLOW)
    wait_until_issued(gateway, stage.port(gateway))
    time.sleep(10)
    assert orders(pebble) == 1
    assert status(gateway)["issued"]


@pytest.mark.slow
def test_a_refused_challenge_is_said_in_a_sentence_and_no_restart_asks_again(stage: Stage):
    elsewhere = "elsewhere.test"
    pebble = stage.pebble(elsewhere)
    keeper = stage.keeper(MLFLOW, elsewhere)
    gateway = stage.gateway(MLFLOW)
    port = stage.port(gateway)

    error = error_of(gateway)
    assert f"{elsewhere}: " in error
    assert "connection refused" in error
    assert not re.search(r"[\w-]{40,}", error), "that is a token"
    assert until(lambda: [line for line in said(keeper) if line.startswith(error)])

    before = status(gateway)
    for _ in range(5):
        keeper.restart(timeout=5)
        time.sleep(2)
    assert orders(pebble) == 1
    assert status(gateway) == before
    assert is_placeholder(port)


@pytest.mark.slow
def test_killed_at_any_moment_of_its_first_issue_it_issues_at_a_later_start(stage: Stage):
    stage.pebble()
    gateway = stage.gateway(MLFLOW)
    port = stage.port(gateway)
    keeper = stage.keeper(MLFLOW, retry_seconds=1e-6)
    for tenths in range(8, 40, 4):
        time.sleep(tenths / 10)
        keeper.kill()
        assert keeper.wait()
        keeper.start()
    until(lambda: status(gateway)["issued"] and not status(gateway)["error"])
    until(lambda: not is_placeholder(port))


@pytest.mark.slow
def test_what_certbot_left_half_made_is_made_anew(stage: Stage):
    stage.pebble()
    gateway = stage.gateway(MLFLOW)
    port = stage.port(gateway)
    keeper = stage.keeper(MLFLOW)
    wait_until_issued(gateway, port)
    for number, damage in enumerate(
        ["rm renewal/served.conf", ": >renewal/served.conf", "rm live/served/privkey.pem", "rm -r archive/served"]
    ):
        before = served(port)
        output(keeper, "sh", "-c", f"cd /certificates/acme/certbot && {damage}")
        stage.end(keeper)
        keeper = stage.keeper(MLFLOW, retry_seconds=number)  # other settings, which wait for nothing
        until(lambda before=before: served(port) != before)
        assert status(gateway)["error"] is None
        assert not is_placeholder(port)


@pytest.mark.slow
def test_another_key_is_taken_up_without_a_failed_handshake(stage: Stage):
    pairs = {f"pair{number}": pair(MLFLOW) for number in range(6)}
    deployer = stage.deployer(pairs)
    deploy(deployer, "pair0")
    port = stage.port(stage.gateway())
    until(lambda: served(port))

    with handshakes(port) as seen:
        for name in pairs:
            deploy(deployer, name)
            time.sleep(4)
    print(f"{len(seen.failures)} of {seen.total} handshakes failed, {len(seen.keys)} keys")
    assert seen.failures == []
    assert len(seen.keys) == len(pairs)
    kept = output(deployer, "ls", f"{SERVED}/generations", f"{SERVED}/keys").split()
    assert len(kept) == 3 + 3 + 2, "that of now and two of before, and the two folders' names"


@pytest.mark.parametrize("same_key", [True, False], ids=["the same key", "another key"])
def test_a_deploy_that_is_killed_at_any_step_leaves_what_was_served(stage: Stage, same_key: bool):
    key = ec.generate_private_key(ec.SECP256R1())
    deployer = stage.deployer({"old": pair(MLFLOW, key), "new": pair(MLFLOW, key if same_key else None)})
    deploy(deployer, "old")
    look = f"""
        id=$(sed 's/.*default "//; s/".*//' {SERVED}/current.conf)
        for name in old new; do
            cmp -s {SERVED}/keys/$id/fullchain.pem {OWN}/$name.pem && cmp {SERVED}/keys/$id/key.pem {OWN}/$name.key &&
                echo $name
        done
        true"""
    seen: list[str] = []
    while "new" not in seen:
        killed_after = f"""
            left={len(seen)}
            step() {{ left=$((left - 1)); [ $left -ge 0 ] || kill -9 $$; }}
            for program in mkdir cat sync mv ln rm; do eval "$program() {{ step; command $program \"\\$@\"; }}"; done
            set -- {OWN}/new.pem {OWN}/new.key
            . {OWN}/deploy.sh"""
        deployer.exec_run(["sh", "-c", killed_after])
        seen.append(output(deployer, "sh", "-c", look).strip())
    assert seen == [*["old"] * (len(seen) - 1), "new"]
    assert len(seen) > 8

    deploy(deployer, "new")
    left = output(deployer, "find", SERVED, "-name", ".*").split()
    assert left == []


def test_a_pair_from_files_is_deployed_and_the_container_ends_when_it_is_told(stage: Stage):
    wait = "trap 'exit 0' TERM QUIT; sleep infinity & wait"
    deploy_and_wait = f'exec sh {OWN}/deploy.sh {OWN}/own.pem {OWN}/own.key sh -c "{wait}"'
    holder = stage.deployer({"own": pair(MLFLOW)}, deploy_and_wait)
    until(lambda: said(holder))
    assert "is served now" in said(holder)[0]
    assert "is served already" in deploy(holder, "own")
    assert stage.end(holder) < 3


def test_what_is_no_pair_is_refused_and_changes_nothing(stage: Stage):
    own = pair(MLFLOW)
    holder = stage.deployer({"own": own, "swapped": (own[1], own[0])})
    deploy(holder, "own")
    before = output(holder, "ls", "-lR", SERVED)
    with pytest.raises(ValueError, match="swapped.pem holds no certificate in PEM; nothing was changed"):
        deploy(holder, "swapped")
    assert output(holder, "ls", "-lR", SERVED) == before
