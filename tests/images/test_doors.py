"""The gateway on names of its own, in the real NGINX: who is let in at which door, and what is said at the others."""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from http.client import RemoteDisconnected

import pytest

from tests.images.https import CHALLENGE, Gateway, gateway

SITES = ("mlflow", "login", "s3", "console")
HTTP, HTTPS = 8080, 8443
DEV = {site: f"{site}.platform.localhost" for site in SITES}
PROD = {site: f"{site}.ml.example.org" for site in SITES}
PATHS = {"mlflow": "/", "login": "/realms/mlflow/account/", "s3": "/bucket/key", "console": "/"}
NOBODY = ("evil.example", "platform.localhost", "127.0.0.1", "mlflow.platform.localhost.evil.example", "localhost")


@pytest.fixture(scope="module")
def dev(local_image: Callable[[str], str]) -> Iterator[Gateway]:
    with gateway(local_image("nginx"), "Pulumi.dev-https.yaml", [*DEV.values()]) as running:
        yield running


@pytest.fixture(scope="module")
def prod(local_image: Callable[[str], str]) -> Iterator[Gateway]:
    with gateway(local_image("nginx"), "Pulumi.prod.yaml", [*PROD.values()]) as running:
        yield running


@pytest.mark.parametrize("site", SITES)
def test_each_site_is_at_its_name_and_the_service_knows_by_which_way_it_was_asked(dev: Gateway, site: str):
    answer, body = dev.ask(HTTPS, "GET", PATHS[site], sni=DEV[site], Host=f"{DEV[site]}:8443")
    seen = json.loads(body)["headers"]
    assert answer.status == 200
    assert (seen["host"], seen["x-forwarded-host"]) == (f"{DEV[site]}:8443",) * 2
    assert (seen["x-forwarded-proto"], seen.get("x-forwarded-port", "")) == ("https", "")


@pytest.mark.parametrize("site", ["mlflow", "login", "console"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
def test_http_leads_to_https_with_path_query_and_method(dev: Gateway, site: str, method: str):
    answer, _ = dev.ask(HTTP, method, "/a%2Fb/../c?d=%20e&f", Host=DEV[site])
    assert answer.status == 308
    assert answer.getheader("Location") == f"https://{DEV[site]}:8443/a%2Fb/../c?d=%20e&f"


@pytest.mark.parametrize(
    "target", [f"http://{DEV['mlflow']}/x", "//evil.example/x", "/\\evil.example", "/%0d%0aSet-Cookie:x"]
)
def test_no_request_makes_the_redirect_lead_elsewhere(dev: Gateway, target: str):
    answer, _ = dev.ask(HTTP, "GET", target, Host=DEV["mlflow"])
    assert (answer.getheader("Location") or "").startswith(f"https://{DEV['mlflow']}:8443/")
    assert answer.getheader("Set-Cookie") is None


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_s3_over_http_names_the_address_for_a_signed_request_does_not_survive_a_redirect(dev: Gateway, method: str):
    answer, body = dev.ask(HTTP, method, "/bucket/key", Host=DEV["s3"])
    assert (answer.status, answer.getheader("Location")) == (400, None)
    assert answer.getheader("Content-Type") == "application/xml"
    assert f"<Message>S3 is at https://{DEV['s3']}:8443 here.</Message>" in body


@pytest.mark.parametrize("site", SITES)
def test_only_challenges_are_answered_over_http(prod: Gateway, site: str):
    answer, body = prod.ask(HTTP, "GET", CHALLENGE, Host=PROD[site])
    assert (answer.status, body) == (200, "answer of a test")
    assert prod.ask(HTTP, "GET", f"{CHALLENGE}-of-nobody", Host=PROD[site])[0].status == 404


@pytest.mark.parametrize("climb", ["../../../served/keys/a/key.pem", "..%2f..%2f..%2fserved/keys/a/key.pem", ""])
def test_beside_challenges_there_is_nothing_to_be_read(prod: Gateway, climb: str):
    answer, body = prod.ask(HTTP, "GET", f"/.well-known/acme-challenge/{climb}", Host=PROD["mlflow"])
    assert answer.status in (308, 403, 404, 400)
    assert "KEY" not in body and "token" not in body


@pytest.mark.parametrize("host", NOBODY)
def test_over_http_another_name_gets_no_answer(dev: Gateway, host: str):
    for path in ("/", CHALLENGE):
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            dev.ask(HTTP, "GET", path, Host=host)


@pytest.mark.parametrize("name", ["evil.example", "platform.localhost", "127.0.0.1", "x.mlflow.platform.localhost"])
def test_without_a_name_that_is_ours_there_is_no_handshake(dev: Gateway, name: str):
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name|handshake.failure"):
        dev.certificate(HTTPS, name)


def test_a_handshake_for_one_site_is_none_for_another(dev: Gateway):
    for site in SITES:
        others = [DEV[other] for other in SITES if other != site]
        for host in (*others, *NOBODY, f"{DEV['mlflow']}.", "MLFLOW.platform.localhost.evil"):
            answer, body = dev.ask(HTTPS, "GET", PATHS[site], sni=DEV[site], Host=host)
            if host.rstrip(".") != DEV[site]:
                assert answer.status == 421, (site, host, body)


def test_the_same_over_http2_where_browsers_share_connections(dev: Gateway):
    def curl(host: str) -> str:
        """The host is another than that of the handshake."""
        command = ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--noproxy", "*"]
        at = f"{DEV['mlflow']}:{HTTPS}"
        command += ["--resolve", f"{at}:127.0.0.1", "-H", f"Host: {host}", f"https://{at}/"]
        return dev.container.exec_run(command).output.decode()

    assert curl(DEV["mlflow"]) == "2 200"
    assert curl(DEV["console"]) == "2 421"
    assert curl("evil.example") == "2 421"


def test_a_request_that_names_two_hosts_is_nobodys(dev: Gateway):
    """Its address decides on the site; the services would be told the other."""
    address = f"http://{DEV['mlflow']}/"
    for host, status in ((DEV["mlflow"], 200), ("evil.example", 421), (f"{DEV['mlflow']}:x", 421), (DEV["s3"], 421)):
        assert dev.ask(HTTPS, "GET", address, sni=DEV["mlflow"], Host=host)[0].status == status, host


def test_names_are_ours_however_they_are_spelled(dev: Gateway):
    answer, _ = dev.ask(HTTPS, "GET", "/", sni=DEV["mlflow"].upper(), Host=DEV["mlflow"].upper())
    assert answer.status == 200


def test_hsts_is_said_only_where_no_port_of_the_host_has_http(dev: Gateway, prod: Gateway):
    """For browsers it holds for every port of the name: here port 8081 would be asked by TLS, and fail."""
    for site in SITES:
        answer, _ = dev.ask(HTTPS, "GET", PATHS[site], sni=DEV[site], Host=DEV[site])
        assert answer.getheader("Strict-Transport-Security") is None
        for path in (PATHS[site], "/nothing/at/all/.."):
            answer, _ = prod.ask(HTTPS, "GET", path, sni=PROD[site], Host=PROD[site])
            assert answer.getheader("Strict-Transport-Security") == "max-age=63072000"
    assert prod.ask(HTTP, "GET", "/", Host=PROD["mlflow"])[0].getheader("Strict-Transport-Security") is None


def test_a_service_does_not_say_hsts_itself(dev: Gateway):
    answer, _ = dev.ask(HTTPS, "GET", "/realms/mlflow/account/", sni=DEV["login"], Host=DEV["login"])
    assert answer.getheader("X-Of-The-Mirror") == "seen"
    assert answer.getheader("Strict-Transport-Security") is None


def test_the_consoles_cookies_are_secure(dev: Gateway):
    answer, _ = dev.ask(HTTPS, "GET", "/", sni=DEV["console"], Host=DEV["console"])
    assert re.fullmatch(r"token=x; Path=/; (HttpOnly; )?[Ss]ecure", answer.getheader("Set-Cookie") or "")


def test_pages_of_other_sites_do_nothing_with_the_consoles_cookie(dev: Gateway):
    for origin, status in ((f"https://{DEV['console']}:8443", 200), (f"https://{DEV['mlflow']}:8443", 403)):
        headers = {"Host": f"{DEV['console']}:8443", "Origin": origin}
        assert dev.ask(HTTPS, "POST", "/api/v1/login", sni=DEV["console"], **headers)[0].status == status


def test_a_site_without_a_domain_leads_from_http_to_https_on_its_own_port(local_image: Callable[[str], str]):
    with gateway(local_image("nginx"), "Pulumi.dev.yaml", ["localhost"], tls="self_signed") as one_host:
        for port, outside in ((5000, 5000), (8080, 8080), (9001, 9001)):
            answer, _ = one_host.ask(port, "POST", "/realms/mlflow/account/?a=b", Host="localhost:1")
            assert answer.status == 308
            assert answer.getheader("Location") == f"https://localhost:{outside}/realms/mlflow/account/?a=b"
            answer, _ = one_host.ask(port, "GET", "/realms/mlflow/account/", sni="localhost", Host=f"localhost:{port}")
            assert (answer.status, answer.getheader("Strict-Transport-Security")) == (200, None)
        answer, body = one_host.ask(9000, "PUT", "/bucket/key", Host="localhost:9000")
        assert answer.status == 400 and "S3 is at https://localhost:9000 here" in body
        for port in (5000, 8080, 9000, 9001):
            with pytest.raises((RemoteDisconnected, ConnectionResetError)):
                one_host.ask(port, "GET", "/", Host="evil.example")
            with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
                one_host.certificate(port, "evil.example")


def test_a_host_that_is_an_address_is_asked_by_that_address_alone(local_image: Callable[[str], str]):
    """No handshake has an address in it, so NGINX knows it from the request."""
    with gateway(
        local_image("nginx"), "Pulumi.dev.yaml", ["127.0.0.1"], tls="self_signed", host="127.0.0.1"
    ) as one_host:
        for host, status in (("127.0.0.1:5000", 200), ("127.0.0.1", 200), ("evil.example", 421), ("10.0.0.1", 421)):
            assert one_host.ask(5000, "GET", "/", sni="127.0.0.1", Host=host)[0].status == status, host


def test_it_is_no_version_in_which_http2_or_a_handshake_is_known_to_harm(dev: Gateway):
    """CVE-2026-123007, CVE-2026-123633 (HTTP/2) and CVE-2026-118899 (TLS 1.3) are fixed in this one of Debian's."""
    version = dev.container.exec_run(["dpkg-query", "-W", "-f", "${Version}", "nginx"]).output.decode()
    assert dev.container.exec_run(["dpkg", "--compare-versions", version, "ge", "1.26.3-3+deb13u11"]).exit_code == 0
