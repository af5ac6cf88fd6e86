"""What a browser's cookie may be used for, and what pages of other sites may not do with it."""

from collections.abc import Iterator

import pytest
from mlflow_platform.server.app import take_token

from tests.plugin.browsing import FETCH, ME, NAVIGATE, Browser
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person

CHANGES = [
    ("POST", "/ajax-api/2.0/mlflow/experiments/create"),
    ("POST", "/ajax-api/2.0/mlflow/experiments/search"),
    ("PATCH", "/ajax-api/2.0/mlflow/registered-models/update"),
    ("DELETE", "/ajax-api/2.0/mlflow/registered-models/delete"),
    ("POST", "/api/2.0/mlflow-platform/session"),
    ("POST", "/graphql"),
    ("POST", "/v1/traces"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x"),
    ("POST", "/gateway/mlflow/v1/chat/completions"),
    ("POST", "/"),
]


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    browser = Browser(server)
    browser.log_in(Person("ada", ("editors",)))
    yield browser
    browser.http.close()


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_no_other_site_may_change_anything(browser: Browser, method: str, path: str) -> None:
    for headers in (
        {},  # as a program sends it, or a browser too old to say
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{browser.origin}.evil.example"},
        {"Origin": f"{browser.origin}/"},
        {"Origin": f"{browser.origin}1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": browser.origin.replace("http", "https", 1)},
        {"Origin": browser.origin, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {**NAVIGATE, "Sec-Fetch-Site": "cross-site"},
        {"Referer": f"{browser.origin}/", "X-Requested-With": "XMLHttpRequest"},
    ):
        answer = browser.http.request(method, path, headers=headers, json={})
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), headers
        assert "another site" in answer.json()["message"].lower()


def test_of_two_origins_neither_counts(browser: Browser) -> None:
    headers = [("Origin", browser.origin), ("Origin", browser.origin)]
    assert browser.http.post("/graphql", headers=headers, json={}).status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "here"}, {"Origin": "here", "Sec-Fetch-Site": "same-origin"}, FETCH])
def test_our_own_pages_may(browser: Browser, headers: dict[str, str]) -> None:
    headers = {name: browser.origin if value == "here" else value for name, value in headers.items()}
    query = {"max_results": 1}
    answer = browser.http.post("/ajax-api/2.0/mlflow/experiments/search", headers=headers, json=query)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        (FETCH, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({**NAVIGATE, "Sec-Fetch-Site": "cross-site"}, 200),
        ({**NAVIGATE, "Sec-Fetch-Site": "same-site"}, 200),
        ({**NAVIGATE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=repr,
)
def test_other_sites_may_link_here_and_no_more(browser: Browser, headers: dict[str, str], status: int) -> None:
    assert browser.http.get(ME, headers=headers).status_code == status


def test_a_bearer_token_wins_over_the_cookie(browser: Browser, server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.realm.token('bert')}", "Origin": "http://evil.example"}
    assert browser.http.get(ME, headers=headers).json()["user"]["username"] == "bert"
    assert browser.http.post("/graphql", headers=headers, json={}).status_code != 403
    for wrong in ("Bearer x", "Basic YTpi", ""):
        assert browser.fetch(headers={"Authorization": wrong}).status_code == 401


def test_no_cookie_goes_on_to_mlflow() -> None:
    headers = [(b"cookie", b"mlflow-platform-5000=secret; other=1"), (b"accept", b"*/*")]
    for path in ("/", "/gateway/x", "/graphql"):
        token, inner = take_token({"type": "http", "path": path, "headers": headers})
        assert (token, inner["headers"]) == (None, [(b"accept", b"*/*")])


def test_readers_stay_readers_with_a_cookie(server: Server) -> None:
    browser = Browser(server)
    browser.log_in(Person("vera", ("viewers",)))
    answer = browser.fetch("/ajax-api/2.0/mlflow/experiments/create", "POST", json={"name": "veras"})
    assert (answer.status_code, answer.json()["message"]) == (403, "Your teams may read here, not write.")


def test_who_is_in_no_team_is_told_so_and_can_log_out(server: Server) -> None:
    browser = Browser(server)
    browser.log_in(Person("guest", ()))
    page = browser.open("/")
    assert page.status_code == 403
    assert "None of your groups is a team" in page.text
    assert "action='/oidc/logout'" in page.text
    assert "form-action 'self' http://keycloak.example" in page.headers["content-security-policy"]
    assert browser.fetch().json()["error_code"] == "PERMISSION_DENIED"
    assert browser.log_out().status_code == 303


def test_somebody_who_is_logged_in_can_be_asked_for(browser: Browser, server: Server) -> None:
    answer = browser.fetch("/oidc/session")
    assert answer.json()["username"] == "ada"
    assert 3500 < answer.json()["expires_at"] - server.realm.claims()["iat"] <= 3600
    claims = server.realm.claims("bert")
    assert server.ask(server.realm.sign(claims), "GET", "/oidc/session").json() == {
        "username": "bert",
        "expires_at": claims["exp"],
        "workspaces": [],
        "administrates": False,
    }
    assert server.ask(None, "GET", "/oidc/session").status_code == 401


def test_storage_credentials_are_there_for_a_cookie_too(browser: Browser, server: Server) -> None:
    assert browser.fetch("/api/2.0/mlflow-platform/session", "POST").json()["access_key"] == "AKIATEST"
    assert server.sts.forms[-1]["WebIdentityToken"] in [tokens["access_token"] for tokens in server.realm.web.issued]


def test_mlflows_page_carries_one_script_more_and_stays_as_guarded_as_it_was(browser: Browser) -> None:
    page = browser.open("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.text.count("/oidc/account.js") == 1
    assert 'id="root"' in page.text
    script = browser.http.get("/oidc/account.js")
    assert script.headers["content-type"].startswith("text/javascript")


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Server) -> None:
    browser = Browser(server)
    cookies = [c for c in browser.log_in().headers.get_list("set-cookie") if "Max-Age=0" not in c]
    assert len(cookies) == 1
    name, _, attributes = cookies[0].partition("=")
    assert name == f"mlflow-platform-{browser.http.base_url.port}"
    assert attributes.endswith("; Path=/; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("size", [5_000, 200_000])
def test_an_oversized_cookie_is_nobodys(server: Server, size: int) -> None:
    name = f"mlflow-platform-{server.http.base_url.port}"
    answer = server.http.get(ME, headers={"Cookie": f"{name}={'x' * size}"})
    assert answer.status_code in (400, 401, 431)
    assert server.http.get("/health").status_code == 200


def test_a_cookie_that_is_there_twice_counts_as_none(browser: Browser, server: Server) -> None:
    name, value = browser.session_cookie
    for header in (f"{name}={value}; {name}=x", f"{name}=x; {name}={value}", f"{name}={value}; {name}={value}"):
        assert server.http.get(ME, headers={"Cookie": header}).status_code == 401
    assert server.http.get(ME, headers=[("Cookie", f"{name}=x"), ("Cookie", f"{name}={value}")]).status_code == 401
