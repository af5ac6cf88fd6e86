"""The gateway behind somebody else's load balancer, in the real NGINX: that is believed, and nobody else."""

import json
import time
from collections.abc import Callable, Iterator

import docker
import pytest

from tests.images.https import Gateway, gateway

HTTP = 8080
HOSTS = {site: f"{site}.ml.example.org" for site in ("mlflow", "login", "s3", "console")}
CLIENT = "203.0.113.7"  # of a network for documentation
SAID = {"X_Forwarded_For": CLIENT, "X_Forwarded_Proto": "https"}


def balancer() -> str:
    """This machine, as a container sees it."""
    (bridge,) = docker.from_env().networks.list(names=["bridge"])
    return str(bridge.attrs["IPAM"]["Config"][0].get("Gateway") or "172.17.0.1")


def behind(*networks: str) -> dict[str, str]:
    return {"tls": json.dumps({"mode": "proxy", "networks": networks})}


@pytest.fixture(scope="module")
def listed(local_image: Callable[[str], str]) -> Iterator[Gateway]:
    with gateway(local_image("nginx"), "Pulumi.prod.yaml", ["unused"], **behind(f"{balancer()}/32")) as running:
        yield running


@pytest.fixture(scope="module")
def elsewhere(local_image: Callable[[str], str]) -> Iterator[Gateway]:
    with gateway(local_image("nginx"), "Pulumi.prod.yaml", ["unused"], **behind("10.255.0.0/30")) as running:
        yield running


def logged(running: Gateway, client: str) -> bool:
    """Whether the last request is this client's in the log, which Docker writes a moment later."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        if running.container.logs(tail=1).decode().startswith(f"{client} "):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("site", HOSTS)
def test_the_service_is_told_what_the_balancer_says(listed: Gateway, site: str):
    path = "/realms/mlflow/account/" if site == "login" else "/"
    answer, body = listed.ask(HTTP, "GET", path, Host=HOSTS[site], **SAID)
    seen = json.loads(body)["headers"]
    assert (answer.status, seen["x-forwarded-for"], seen["x-forwarded-proto"]) == (200, CLIENT, "https")
    assert seen["host"] == HOSTS[site]
    assert logged(listed, CLIENT)
    assert answer.getheader("Strict-Transport-Security") == "max-age=63072000"


def test_what_a_client_forged_before_the_balancer_is_not_believed(listed: Gateway):
    """The balancer adds the address that it saw; what stood before is the client's own word."""
    headers = {"Host": HOSTS["mlflow"], "X_Forwarded_Proto": "https", "X_Forwarded_For": f"10.0.0.1, 8.8.8.8, {CLIENT}"}
    _, body = listed.ask(HTTP, "GET", "/", **headers)
    assert json.loads(body)["headers"]["x-forwarded-for"] == CLIENT
    assert logged(listed, CLIENT)


def test_from_elsewhere_nobody_is_answered_whatever_he_says(elsewhere: Gateway):
    forged = (
        SAID,
        {},
        {**SAID, "X_Forwarded_For": "10.255.0.1"},
        {**SAID, "X_Real_IP": "10.255.0.1", "Forwarded": "for=10.255.0.1;proto=https"},
        {"X_Forwarded_Proto": "https", "X_Forwarded_For": "10.255.0.1, 10.255.0.2"},
    )
    for host in HOSTS.values():
        for headers in forged:
            with pytest.raises((ConnectionResetError, ConnectionError)):
                elsewhere.ask(HTTP, "GET", "/", Host=host, **headers)
    assert logged(elsewhere, balancer())


def test_what_came_to_the_balancer_by_http_is_sent_to_https(listed: Gateway):
    for proto in ("http", "", "HTTPS, http", "https,http"):
        headers = {"X_Forwarded_For": CLIENT, "X_Forwarded_Proto": proto}
        answer, _ = listed.ask(HTTP, "GET", "/a?b", Host=HOSTS["mlflow"], **headers)
        assert (answer.status, answer.getheader("Location")) == (308, f"https://{HOSTS['mlflow']}/a?b"), proto
        answer, body = listed.ask(HTTP, "PUT", "/bucket/key", Host=HOSTS["s3"], **headers)
        assert answer.status == 400 and f"S3 is at https://{HOSTS['s3']} here" in body


def test_another_name_gets_no_answer_from_the_balancer_either(listed: Gateway):
    for host in ("evil.example", "127.0.0.1", "ml.example.org"):
        with pytest.raises((ConnectionResetError, ConnectionError)):
            listed.ask(HTTP, "GET", "/", Host=host, **SAID)


def test_pages_of_the_console_itself_may_use_its_cookie(listed: Gateway):
    for origin, status in ((f"https://{HOSTS['console']}", 200), (f"http://{HOSTS['console']}", 403)):
        headers = {"Host": HOSTS["console"], "Origin": origin, **SAID}
        assert listed.ask(HTTP, "POST", "/api/v1/login", **headers)[0].status == status
