"""Logging in with a browser: the way there and back, and everything that may not come back."""

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.plugin.browsing import FETCH, NAVIGATE, Browser
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person

MALLORYS_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


@pytest.fixture
def browser(server: Server) -> Browser:
    return Browser(server)


def is_nobody(browser: Browser) -> bool:
    return browser.fetch().status_code == 401 and not [c for c in browser.http.cookies.jar if c.path == "/"]


def test_a_login_comes_back_to_the_page_that_was_asked_for_and_is_known_from_then_on(browser: Browser) -> None:
    answer = browser.log_in(Person("ada"), "/some/page?a=1&b=%20#/experiments/3?x=y")
    assert (answer.status_code, answer.headers["location"]) == (303, "/some/page?a=1&b=%20#/experiments/3?x=y")
    assert browser.fetch().json()["user"]["username"] == "ada"
    assert browser.open("/").status_code == 200


@pytest.mark.parametrize("headers", [NAVIGATE, {"Accept": "text/html,*/*;q=0.8"}])
def test_any_page_leads_to_the_login_and_back(browser: Browser, headers: dict[str, str]) -> None:
    answer = browser.http.get("/a/page?q=%2F%2Fx&q=2", headers=headers)
    assert answer.status_code == 302
    back = browser.come_back(browser.realm.web.authorize(answer.headers["location"], Person()))
    assert back.headers["location"] == "/a/page?q=%2F%2Fx&q=2"


def test_the_home_page_keeps_what_only_the_browser_knows_of_its_address(browser: Browser) -> None:
    answer = browser.open("/?x=1")
    assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
    assert "location.hash" in answer.text
    assert re.search(r"default-src 'none';.* script-src 'sha256-[^']+='$", answer.headers["content-security-policy"])
    login = browser.http.get("/oidc/login", params={"return_to": "/?x=1#/models/m"}, headers=NAVIGATE)
    back = browser.come_back(browser.realm.web.authorize(login.headers["location"], Person()))
    assert back.headers["location"] == "/?x=1#/models/m"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/ajax-api/2.0/mlflow/users/current", FETCH),
        ("GET", "/", FETCH),
        ("GET", "/", {"Accept": "*/*"}),
        ("GET", "/page", {**NAVIGATE, "Sec-Fetch-Dest": "iframe"}),
        ("GET", "/page", {"Sec-Fetch-Mode": "no-cors", "Accept": "text/html"}),
        ("GET", "/page", {**NAVIGATE, "Authorization": "Basic YTpi"}),
        ("POST", "/page", NAVIGATE),
        *(
            ("GET", path, NAVIGATE)
            for path in (
                "/api/2.0/mlflow/users/current",
                "/ajax-api/2.0/mlflow/users/current",
                "/graphql",
                "/v1/traces",
                "/gateway/x",
                "/get-artifact",
                "/model-versions/get-artifact",
                "/oidc/session",
            )
        ),
    ],
)
def test_what_is_not_a_page_is_told_that_it_is_unauthenticated(
    browser: Browser, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = browser.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert "set-cookie" not in answer.headers


def test_two_tabs_log_in_side_by_side(browser: Browser) -> None:
    first, second = browser.begin("/first"), browser.begin("/second")
    for url, page in ((first, "/first"), (second, "/second")):
        assert browser.come_back(browser.realm.web.authorize(url, Person())).headers["location"] == page


def test_logins_that_are_never_finished_do_not_fill_the_browser(browser: Browser) -> None:
    urls = [browser.begin(f"/{'x' * 1500}") for _ in range(6)]
    held = [cookie for cookie in browser.http.cookies.jar if cookie.path == "/oidc"]
    assert 1 < sum(len(cookie.value or "") for cookie in held) < 6500
    assert browser.come_back(browser.realm.web.authorize(urls[-1], Person())).status_code == 303
    assert browser.come_back(browser.realm.web.authorize(urls[0], Person())).status_code == 400


@pytest.mark.parametrize(
    "evil",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%2f/evil.example",
        "/%2fevil.example",
        "/%5cevil.example",
        "/%255cevil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\x00/evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "//user@evil.example",
        "@evil.example",
        ".evil.example",
        "/.//evil.example",
        "/x/..//evil.example",
        "/é",
        "/oidc/login?return_to=/",
        "/oidc",
        "/" + "x" * 5000,
        "",
    ],
)
def test_a_login_returns_to_this_server_only(browser: Browser, evil: str) -> None:
    assert browser.log_in(return_to=evil).headers["location"] == "/"


def test_of_two_return_addresses_neither_counts(browser: Browser) -> None:
    url = browser.http.get("/oidc/login?return_to=/a&return_to=/b").headers["location"]
    assert browser.come_back(browser.realm.web.authorize(url, Person())).headers["location"] == "/"


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
    url = server.realm.web.authorize(browser.begin(), Person())
    kept = [(cookie.name, cookie.value or "") for cookie in browser.http.cookies.jar]
    assert browser.come_back(url).status_code == 303
    again = Browser(server)
    for name, value in kept:
        again.http.cookies.set(name, value, path="/oidc")
    fresh_code = server.realm.web.authorize(f"{server.realm.issuer}/protocol/openid-connect/auth?{LOGIN}", Person())
    redeemed = len(server.realm.web.issued)
    assert again.come_back(changed(fresh_code, state=parse_qs(urlsplit(url).query)["state"][0])).status_code == 400
    assert len(server.realm.web.issued) == redeemed  # Keycloak was not even asked
    assert is_nobody(again)


LOGIN = urlencode(
    {
        "response_type": "code",
        "client_id": "mlflow",
        "code_challenge_method": "S256",
        "code_challenge": "x",
        "scope": "openid",
        "state": "x",
        "nonce": "x",
        "redirect_uri": "http://x/oidc/callback",
    }
)


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
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_every_login_has_a_new_session_and_the_browsers_old_one_ends(server: Server, browser: Browser) -> None:
    browser.log_in(Person("ada"))
    name, old = browser.session_cookie
    browser.log_in(Person("bert"))
    assert browser.session_cookie[1] != old
    assert browser.fetch().json()["user"]["username"] == "bert"
    fixed = Browser(server)
    fixed.http.cookies.set(name, old)
    assert fixed.fetch().status_code == 401


def test_a_session_that_somebody_set_beforehand_is_not_the_one_that_counts(server: Server, browser: Browser) -> None:
    browser.log_in(Person("ada"))
    name, _ = browser.session_cookie
    victim, chosen = Browser(server), "A" * 43
    victim.http.cookies.set(name, chosen, domain="127.0.0.1")
    victim.log_in(Person("bert"))
    assert victim.session_cookie[1] != chosen
    attacker = Browser(server)
    attacker.http.cookies.set(name, chosen)
    assert attacker.fetch().status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/oidc/login"),
        ("HEAD", "/oidc/callback"),
        ("POST", "/oidc/callback"),
        ("GET", "/oidc/logout"),
        ("GET", "/oidc/backchannel-logout"),
        ("POST", "/oidc/account.js"),
    ],
)
def test_each_route_has_its_methods(browser: Browser, method: str, path: str) -> None:
    assert browser.http.request(method, path).status_code == 405
