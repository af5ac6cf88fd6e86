"""What Keycloak's answer to a login must be: expected, in this browser, once, and about tokens that are in order."""

from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey
from mlflow_platform.server.responses import PAUSE

from tests.plugin.browsing import Browser
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person

MALLORYS_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


@pytest.fixture
def browser(server: Server) -> Browser:
    return Browser(server)


def is_nobody(browser: Browser) -> bool:
    return browser.fetch().status_code == 401 and not [c for c in browser.http.cookies.jar if c.path == "/"]


def changed(url: str, **changes: str | None) -> str:
    """The callback's URL with other parameters."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode({name: v for name, v in query.items() if v is not None})).geturl()


@pytest.mark.parametrize("state", [None, "", "x", "a" * 43, "é"])
def test_an_answer_with_a_missing_or_wrong_state_logs_nobody_in(browser: Browser, state: str | None) -> None:
    back = browser.come_back(changed(browser.realm.web.authorize(browser.begin(), Person()), state=state))
    assert back.status_code == 400
    assert is_nobody(browser)


def test_an_answer_counts_only_in_the_browser_that_asked(server: Server, browser: Browser) -> None:
    url = server.realm.web.authorize(browser.begin(), Person("mallory"))
    victim = Browser(server)
    victim.begin()
    assert victim.come_back(url).status_code == 400
    assert is_nobody(victim)


def test_a_logins_cookie_does_not_stand_in_for_anothers(browser: Browser) -> None:
    first = browser.begin()
    cookies = {cookie.name: cookie for cookie in browser.http.cookies.jar}
    second = browser.begin()
    (new,) = [cookie for cookie in browser.http.cookies.jar if cookie.name not in cookies]
    (old,) = cookies.values()
    new.value, old.value = old.value, new.value
    for url in (first, second):
        assert browser.come_back(browser.realm.web.authorize(url, Person())).status_code == 400
    assert is_nobody(browser)


@pytest.mark.parametrize("change", [lambda v: v[:-8] + "AAAAAAA=", lambda v: v[1:], lambda v: "", lambda v: "é" * 9])
def test_a_changed_login_cookie_is_worth_nothing(browser: Browser, change: Any) -> None:
    url = browser.realm.web.authorize(browser.begin(), Person())
    (cookie,) = browser.http.cookies.jar
    header = f"{cookie.name}={change(cookie.value)}".encode("latin-1")
    parts = urlsplit(url)
    answer = httpx.get(f"{browser.origin}{parts.path}?{parts.query}", headers={b"Cookie": header}, trust_env=False)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_a_state_counts_once_even_where_its_cookie_was_kept(server: Server, browser: Browser) -> None:
    login = browser.begin()
    kept = [(cookie.name, cookie.value or "") for cookie in browser.http.cookies.jar]
    assert browser.come_back(server.realm.web.authorize(login, Person())).status_code == 303
    again = Browser(server)
    for name, value in kept:
        again.http.cookies.set(name, value, path="/oidc")
    issued = len(server.realm.web.issued)
    assert again.come_back(server.realm.web.authorize(login, Person())).status_code == 400
    assert len(server.realm.web.issued) == issued  # Keycloak was not even asked
    assert is_nobody(again)


def test_a_replayed_callback_leads_nowhere(browser: Browser) -> None:
    url = browser.realm.web.authorize(browser.begin(), Person())
    assert [browser.come_back(url).status_code for _ in range(2)] == [303, 400]


def test_a_code_counts_once(server: Server, browser: Browser) -> None:
    code = parse_qs(urlsplit(first := server.realm.web.authorize(browser.begin(), Person())).query)["code"][0]
    assert browser.come_back(first).status_code == 303
    other = Browser(server)
    assert other.come_back(changed(server.realm.web.authorize(other.begin(), Person()), code=code)).status_code == 400
    assert is_nobody(other)


def test_a_stolen_code_is_of_no_use_without_its_verifier(server: Server, browser: Browser) -> None:
    stolen = parse_qs(urlsplit(server.realm.web.authorize(browser.begin(), Person("ada"))).query)["code"][0]
    thief = Browser(server)
    url = changed(server.realm.web.authorize(thief.begin(), Person("mallory")), code=stolen)
    assert thief.come_back(url).status_code == 400
    assert is_nobody(thief)


@pytest.mark.parametrize("issuer", ["http://keycloak.example/realms/other", "http://evil.example"])
def test_another_issuers_answer_is_refused(browser: Browser, issuer: str) -> None:
    url = changed(browser.realm.web.authorize(browser.begin(), Person()), iss=issuer)
    assert browser.come_back(url).status_code == 400
    assert is_nobody(browser)


@pytest.mark.parametrize(
    "person",
    [
        Person(id={"nonce": "another"}),
        Person(id={"nonce": None}),
        Person(id={"aud": "mlflow-client"}),
        Person(id={"aud": ["mlflow", "minio"]}),
        Person(id={"aud": []}),
        Person(id={"azp": "mlflow-client"}),
        Person(id={"iss": "http://keycloak.example/realms/other"}),
        Person(id={"exp": 1}),
        Person(id={"exp": None}),
        Person(id={"iat": 4102444800}),
        Person(id={"typ": "Bearer"}),
        Person(id={"typ": None}),
        Person(id={"at_hash": "AAAA"}),
        Person(id={"sub": None}),
        Person(id={"sub": "x" * 256}),
        Person(signed={"key": MALLORYS_KEY}),
        Person(signed={"kid": "no-such-key"}),
        Person(signed={"alg": "none", "key": OctKey.import_key("x" * 32), "kid": "first"}),
        Person(signed={"alg": "HS256", "key": OctKey.import_key("x" * 32), "kid": "first"}),
        Person(signed={"typ": "logout+jwt"}),
        Person(access={"aud": ["minio"]}),
        Person(access={"exp": 1}),
        Person(access={"iss": "http://keycloak.example/realms/other"}),
        Person(access={"typ": "ID"}),
    ],
    ids=lambda person: repr({**person.id, **person.access, **person.signed})[:40],
)
def test_a_login_whose_tokens_are_not_in_order_is_refused(browser: Browser, person: Person) -> None:
    answer = browser.log_in(person)
    assert answer.status_code == 400, answer.text
    assert "did not succeed" in answer.text
    assert is_nobody(browser)


@pytest.mark.parametrize(("error", "status", "told"), [("access_denied", 403, "cancelled"), ("<b>", 400, "succeed")])
def test_keycloaks_refusal_is_told_in_our_words(browser: Browser, error: str, status: int, told: str) -> None:
    begun = browser.realm.web.authorize(browser.begin("/a'\"<page>"), Person())
    answer = browser.come_back(
        changed(begun, code=None, error=error, error_description="<script>alert(1)</script>", error_uri="//evil")
    )
    assert answer.status_code == status
    assert told in answer.text
    for reflected in ("<b>", "<script", "evil", "<page>", "'\""):
        assert reflected not in answer.text
    assert quote("/a'\"<page>", safe="") in answer.text or "return_to=%2F'" in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert is_nobody(browser)


def test_without_keycloak_a_login_is_asked_to_wait(server: Server, browser: Browser) -> None:
    url = server.realm.web.authorize(browser.begin(), Person())
    server.realm.web.mode = "down"
    try:
        answer = browser.come_back(url)
    finally:
        server.realm.web.mode = "well"
    assert (answer.status_code, answer.headers["retry-after"]) == (503, PAUSE)
