"""One stack's life with data on it: from http on this machine to https of each kind, and back.

Its tests are the legs of one journey, in this order. Loads are bounded: one client at a time.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from mlflow_platform.server.credentials.limits import PER_PAIR

from components.doors import HTTP
from tests.e2e.checkouts import until_well
from tests.e2e.conftest import brought_up
from tests.e2e.https.conftest import find_names
from tests.e2e.https.journey import Cookies, Holdings, Journey, Settings, hosts, say, served
from tests.e2e.https.moves import (
    CERTIFICATES,
    MOVED,
    OWN_AUTHORITY,
    changed,
    nothing_is_lost,
    planned,
    the_past_is_past,
    trains_in_vain,
)
from tests.e2e.https.outside import AcmeServer, Balancer, Client, audited
from tests.images.acme import until
from tests.images.pebble import DIRECTORY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

UPLOADS = "uploads[1].content uploads[1].file uploads[2].content uploads[2].file uploads[3]"
ACME_DOMAIN, ELSEWHERE, PROXIED = "acme.localhost", "elsewhere.localhost", "proxied.localhost"
SHORT = timedelta(minutes=3)


@pytest.fixture(scope="module")
def journey(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("moving")
    settings = Settings()
    here = {key: value for key, value in settings.here().items() if value is not None}
    with pytest.MonkeyPatch.context() as patch, brought_up(folder / "stack", here, here["ports"]) as stack:
        find_names(patch)
        made = Journey(stack, settings, folder)
        yield made
        made.close()


@pytest.fixture(scope="module")
def cookies(journey: Journey) -> Cookies:
    """Of a browser that logged in at the first address."""
    return Cookies(journey.platform, "dev")


@pytest.fixture(scope="module")
def holdings(journey: Journey, cookies: Cookies) -> Holdings:
    """What was there before the first move: a training run with its model, an experiment, and an object."""
    journey.log_in()
    assert "accuracy 0.9" in journey.example("train_digits.py")
    token, bucket = journey.platform.token("dev"), journey.platform.outputs["artifact_bucket"]
    assert journey.platform.ask(token, "POST", "/api/2.0/mlflow/experiments/create", json={"name": "kept"}).is_success
    journey.platform.s3(token).put_object(Bucket=bucket, Key="kept", Body=b"of then")
    assert journey.status().returncode == 0
    return journey.holdings()


def test_http_to_domains_with_a_certificate_of_its_own(journey: Journey, cookies: Cookies, holdings: Holdings):
    former = journey.platform.url
    settings = journey.settings.at("move.localhost", "self_signed")
    journey.stack.set(settings)
    made = {f"create {resource}" for resource in CERTIFICATES | OWN_AUTHORITY}
    assert planned(journey) == MOVED | made

    done = journey.move(settings)
    assert done == {**changed(*MOVED, *made), "same": done["same"]}
    assert set(journey.stack.up()) == {"same"}
    assert not cookies.let_in(journey.platform)
    the_past_is_past(journey, former, "http://localhost:[0-9]+ does not answer")
    assert re.search("http://localhost:[0-9]+ does not answer|Connection refused", trains_in_vain(journey, former))
    assert "CERTIFICATE_VERIFY_FAILED" in trains_in_vain(journey, journey.platform.url)  # nobody was told whom to trust
    nothing_is_lost(journey, holdings)


def test_another_domain_is_another_leaf_of_the_same_authority(journey: Journey, holdings: Holdings):
    journey.log_in()
    former, authority = journey.platform.url, journey.platform.outputs["ca_certificate"]
    settings = journey.settings.at("other.localhost", "self_signed")
    journey.stack.set(settings)
    assert planned(journey) == MOVED | {
        "replace CertRequest certificates dnsNames[0] dnsNames[1] dnsNames[2] dnsNames[3] subject.commonName",
        "replace LocallySignedCert certificates certRequestPem",
        "replace Container certificates-files uploads[1].content",
        "replace Container certificates",
    }

    journey.move(settings)
    assert journey.platform.outputs["ca_certificate"] == authority
    the_past_is_past(journey, former, "https://(mlflow|login).move.localhost:[0-9]+ refuses the TLS handshake")
    nothing_is_lost(journey, holdings)


@pytest.fixture(scope="class")
def acme(journey: Journey) -> Iterator[AcmeServer]:
    """On the network on which the stack's certificates are kept, where the sites' names lead to the gateway."""
    journey.ask_often()
    server = AcmeServer(f"mlflow-{journey.stack.name}-certificates")
    server.lead(hosts(ACME_DOMAIN), elsewhere=[ELSEWHERE])
    server.start()
    journey.write("directory-ca.pem", server.ca)
    yield server
    server.close()


class TestAcme:
    """Certificates of an ACME server: whatever becomes of the next one, what is served goes on."""

    def test_the_first_one(self, journey: Journey, holdings: Holdings, acme: AcmeServer):
        journey.stack.set(self.settings(journey))
        assert planned(journey) == {
            *MOVED,
            f"replace Container certificates-files image {UPLOADS}",
            "replace Container certificates",
            "create Image certbot",
            *(f"delete {resource}" for resource in OWN_AUTHORITY),
        }

        brought = journey.stack.platform("up")
        assert brought.returncode == 0, brought.stdout + brought.stderr
        say(brought.stdout)
        # It ends as soon as it is told to: 20 seconds later it would be killed.
        assert re.search(r"-- Container certificates: (\d|1\d)(\.\d)? s", brought.stdout), brought.stdout
        journey.arrive(acme.root())
        assert set(journey.stack.preview()) == {"same"}

        shown = journey.stack.platform("status")
        say(shown.stdout)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        for host in hosts(ACME_DOMAIN):
            assert re.search(rf"{host}:\d+ +well +1 h +Pebble .* {host} and 3 more", shown.stdout), shown.stdout
        nothing_is_lost(journey, holdings)
        assert acme.orders() == 1

    def test_a_domain_that_leads_elsewhere_is_said_in_a_sentence(self, journey: Journey, acme: AcmeServer):
        before = served(journey.platform.url, acme.root())
        journey.move(self.settings(journey, ELSEWHERE), authority=acme.root())
        refused = f"No certificate for .*{ELSEWHERE}: .*connection refused"
        shown = until(lambda: journey.health(refused), 120)
        assert shown
        say(shown.stdout + shown.stderr)
        assert shown.returncode == 1
        assert re.search(rf"{ELSEWHERE}:\d+ +other name ", shown.stdout), shown.stdout
        assert re.search(refused, journey.stack.container("certificates").logs().decode())
        assert served(journey.platform.url, acme.root()) == before
        assert journey.platform.token("dev")

    def test_another_domain_gets_another_certificate(self, journey: Journey, acme: AcmeServer):
        before = served(journey.platform.url)
        other = f"shown.{ACME_DOMAIN}"
        acme.lead([*hosts(ACME_DOMAIN), other])
        acme.start(SHORT)
        journey.move(self.settings(journey, other), authority=acme.root())
        now = until(lambda: served(journey.platform.outputs["minio_console_url"], acme.root()), 120)
        assert now != before
        assert now.not_valid_after_utc - now.not_valid_before_utc <= SHORT

    def test_what_is_not_renewed_is_served_on_and_status_is_red_from_the_last_third_on(
        self, journey: Journey, acme: AcmeServer
    ):
        root = acme.root()
        acme.stop()
        old = served(journey.platform.url, root)
        in_its_last_third = old.not_valid_after_utc - SHORT / 3 + timedelta(seconds=5)
        time.sleep(max(0, (in_its_last_third - datetime.now(UTC)).total_seconds()))
        shown = journey.stack.platform("status")
        say(shown.stdout + shown.stderr)
        assert shown.returncode == 1
        assert re.search(rf"mlflow.{ACME_DOMAIN}:\d+ +old +0 h +Pebble", shown.stdout), shown.stdout
        assert re.search("the ACME server cannot be reached: .* What is served goes on; the next attempt", shown.stderr)
        assert served(journey.platform.url, root) == old
        assert journey.platform.token("dev")

    def settings(self, journey: Journey, console: str | None = None) -> dict[str, Any]:
        tls = {"mode": "acme", "email": "ops@example.org", "directory": DIRECTORY, "directory_ca": "directory-ca.pem"}
        return journey.settings.at(ACME_DOMAIN, tls, domains={"console": console} if console else None)


def test_nothing_of_the_acme_server_is_left_where_the_stack_has_a_certificate_of_its_own_again(
    journey: Journey, holdings: Holdings
):
    journey.move(journey.settings.at(ACME_DOMAIN, "self_signed"))
    shown = journey.stack.platform("status")
    assert (shown.returncode, shown.stderr) == (0, ""), shown.stdout + shown.stderr
    nothing_is_lost(journey, holdings)


@pytest.fixture(scope="module")
def balancer(journey: Journey) -> Iterator[Balancer]:
    nginx = str(journey.stack.container("gateway").attrs["Image"])
    made = Balancer(nginx, journey.front, hosts(PROXIED))
    yield made
    made.close()


@pytest.fixture(scope="module")
def behind(journey: Journey, balancer: Balancer) -> dict[str, Any]:
    """The settings of a stack behind the balancer."""
    tls = {"mode": "proxy", "networks": [balancer.address]}
    ports = {**journey.settings.ports("http"), "https": balancer.port}
    return journey.settings.at(PROXIED, tls, password_grant=True, ports=ports)


def test_to_behind_a_load_balancer(journey: Journey, holdings: Holdings, balancer: Balancer, behind: dict[str, Any]):
    former = journey.platform.url
    journey.stack.set(behind)
    removed = {f"delete {resource}" for resource in CERTIFICATES | OWN_AUTHORITY}
    with_passwords = "update Client keycloak-realm-mlflow directAccessGrantsEnabled"
    assert planned(journey) == {
        *(it.replace("update Client keycloak-realm-mlflow", with_passwords) for it in MOVED),
        *removed,
    }

    journey.move(behind, authority=balancer.ca)
    shown = journey.status(former)
    assert (shown.returncode, len(shown.stderr.splitlines())) == (1, 1), shown.stderr
    nothing_is_lost(journey, holdings)
    until_well(lambda: journey.stack.platform("status"))


def test_the_audit_trail_names_the_balancers_client_and_who_comes_around_it_is_not_answered(
    journey: Journey, balancer: Balancer, behind: dict[str, Any]
):
    person, mallory = balancer.client("person"), balancer.client("mallory")
    neighbour = balancer.client("neighbour", journey.front)
    forged = ["-H", "X-Forwarded-For: 203.0.113.7", "-H", "X-Forwarded-Proto: https", "-H", "X-Real-IP: 203.0.113.7"]
    page = f"{journey.platform.url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert person.ask(page, balancer.host).status == 401
    assert mallory.ask(page, balancer.host, *forged).status == 401

    plain = page.replace("https:", "http:").replace("=0", "=around")
    port = journey.settings.ports("http")["http"]
    for headers in ([], forged, [*forged, "-H", f"X-Forwarded-For: {balancer.address}"]):
        assert neighbour.ask(plain, f"gateway:{HTTP}", *headers).code == 52  # an answer without a byte
        with pytest.raises(httpx.RemoteProtocolError):
            pairs = [tuple(it.split(": ")) for it in headers[1::2]]
            around = plain.replace(str(balancer.port), str(port))
            httpx.get(around, headers=[(name, value) for name, value in pairs], timeout=20, trust_env=False)

    trail = audited(journey.stack.container("mlflow"))
    addresses = {it["address"] for it in trail}
    assert {person.address, mallory.address} <= addresses
    assert not addresses & {"203.0.113.7", neighbour.address, balancer.address}
    assert len([it for it in trail if it["address"] == mallory.address]) == 1


def test_password_attempts_count_for_each_client_of_the_balancer(journey: Journey, balancer: Balancer):
    guesser, person = balancer.client("guesser"), balancer.client("other")
    url = f"{journey.platform.url}/api/2.0/mlflow-platform/session"

    def attempt(client: Client, user: str, password: str, *more: str) -> int:
        body = json.dumps({"username": user, "password": password})
        return client.ask(url, balancer.host, "-H", "Content-Type: application/json", "-d", body, *more).status

    guesses = [attempt(guesser, "vera", "x", "-H", f"X-Forwarded-For: 203.0.113.{n}") for n in range(PER_PAIR + 2)]
    assert guesses == [401] * PER_PAIR + [429] * 2
    assert attempt(person, "vera", "x") == 401
    assert attempt(person, "ada", journey.platform.outputs["dev_users"]["ada"]) == 200


def test_back_to_http_on_localhost(journey: Journey, holdings: Holdings):
    journey.move(journey.settings.here())
    shown = journey.status()  # the login of then, which has not ended
    assert (shown.returncode, shown.stderr) == (0, "")
    nothing_is_lost(journey, holdings)
    until_well(lambda: journey.stack.platform("status"))
