"""Logging in with a browser on this machine, logging out, and who may not interfere."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import mlflow_platform
import pytest
import requests
from mlflow_platform.client import browser, discovery, login
from mlflow_platform.client.errors import ClientError, NotLoggedIn
from mlflow_platform.client.login import log_in, log_out
from mlflow_platform.client.store import LoginFile

from tests.client.double import Double

Visit = Callable[[str], object]


@pytest.fixture
def browses(monkeypatch: pytest.MonkeyPatch) -> Callable[[Visit], list[str]]:
    """Makes this function the browser; the addresses that it was opened with."""

    def use(visit: Visit) -> list[str]:
        opened: list[str] = []

        def open_(url: str) -> bool:
            opened.append(url)
            threading.Thread(target=visit, args=(url,), daemon=True).start()
            return True

        monkeypatch.setattr("webbrowser.open", open_)
        return opened

    return use


def follow(url: str) -> requests.Response:
    """What a browser does where somebody is logged in to Keycloak already: one redirect after the other."""
    return requests.get(url, timeout=10)


def asked_of_keycloak(start: str) -> dict[str, str]:
    """What the login page is opened with."""
    target = requests.get(start, timeout=10, allow_redirects=False).headers["location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


@contextmanager
def waiting(platform: Double, browses: Callable[[Visit], list[str]]) -> Iterator[tuple[str, Callable[[], str]]]:
    """A login that waits for its browser: its start address, and how it ended."""
    opened = threading.Event()
    starts = browses(lambda url: opened.set())
    ends: list[str] = []

    def run() -> None:
        try:
            log_in(platform.url, "browser", offline=False)
            ends.append("logged in")
        except ClientError as error:
            ends.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert opened.wait(10)

    def ended() -> str:
        thread.join(10)
        return ends[0] if ends else "still waiting"

    yield starts[0], ended
    if thread.is_alive():  # the test's own user logs in, so that no thread is left
        follow(starts[0])
        thread.join(10)


def test_a_browser_login_is_kept(platform: Double, browses: Callable[[Visit], list[str]]):
    pages: list[requests.Response] = []
    browses(lambda url: pages.append(follow(url)))
    log_in(platform.url, "browser", offline=False)
    kept = LoginFile(platform.url).load()
    assert kept
    assert kept.tokens.username == "dev"
    assert "You can close this page" in pages[0].text
    assert pages[0].headers["Cache-Control"] == "no-store"
    assert pages[0].headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_keycloak_is_asked_with_pkce_state_and_nonce(platform: Double, browses: Callable[[Visit], list[str]]):
    with waiting(platform, browses) as (start, _):
        asked = asked_of_keycloak(start)
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1"
    assert urlsplit(asked["redirect_uri"]).path == "/callback"
    assert asked["scope"] == "openid"


def test_the_browsers_command_line_says_nothing_of_the_login(platform: Double, browses: Callable[[Visit], list[str]]):
    opened = browses(follow)
    log_in(platform.url, "browser", offline=False)
    question = parse_qs(urlsplit(platform.to("/realms/test/auth")[0].path).query)
    assert not [name for name in ("state", "nonce", "code_challenge") if question[name][0] in opened[0]]


def test_offline_asks_for_offline_access(platform: Double, browses: Callable[[Visit], list[str]]):
    browses(follow)
    log_in(platform.url, "browser", offline=True)
    assert "scope=openid+offline_access" in platform.to("/realms/test/auth")[0].path


@pytest.mark.parametrize("state", ["", "state=", "state=guessed&state=twice", "state=guessed"])
def test_an_answer_with_another_state_changes_nothing(
    platform: Double, browses: Callable[[Visit], list[str]], state: str
):
    with waiting(platform, browses) as (start, ended):
        back = asked_of_keycloak(start)["redirect_uri"]
        for answer in ("code=theirs", "error=access_denied"):
            assert requests.get(f"{back}?{answer}&{state}", timeout=10).status_code == 403
    assert "opened twice" in ended()  # by the helper's clean-up: until then it waited
    assert platform.asked("authorization_code") == 0


def test_an_answer_before_the_login_page_was_opened_changes_nothing(
    platform: Double, browses: Callable[[Visit], list[str]]
):
    with waiting(platform, browses) as (start, ended):
        parts = urlsplit(start)
        assert requests.get(f"http://{parts.netloc}/callback?code=x&state=x", timeout=10).status_code == 403
    assert ended() == "logged in"


def test_somebody_who_saw_the_start_address_ends_the_login_at_most(
    platform: Double, browses: Callable[[Visit], list[str]]
):
    with waiting(platform, browses) as (start, ended):
        asked = asked_of_keycloak(start)  # the thief is first
        assert requests.get(start, timeout=10).status_code == 403  # then the user's browser
        stolen = {"code": "theirs", "state": asked["state"]}
        with suppress(requests.ConnectionError):  # it may be closed already
            assert requests.get(asked["redirect_uri"], params=stolen, timeout=10).status_code == 403
        assert "opened twice" in ended()
    assert platform.asked("authorization_code") == 0


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1", "evil.example:80"])
def test_a_name_that_was_pointed_at_this_machine_gets_no_answer(
    platform: Double, browses: Callable[[Visit], list[str]], host: str
):
    with waiting(platform, browses) as (start, ended):
        answer = requests.get(start, headers={"Host": host}, timeout=10, allow_redirects=False)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    assert ended() == "logged in"


@pytest.mark.parametrize("path", ["/callback", "/", "/start"])
def test_another_sites_page_cannot_post_here(platform: Double, browses: Callable[[Visit], list[str]], path: str):
    with waiting(platform, browses) as (start, ended):
        target = f"http://{urlsplit(start).netloc}{path}"
        answer = requests.post(target, data={"code": "x"}, headers={"Origin": "http://evil.example"}, timeout=10)
        assert answer.status_code >= 400
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert ended() == "logged in"


def test_the_answer_of_another_issuer_ends_the_login(platform: Double, browses: Callable[[Visit], list[str]]):
    with waiting(platform, browses) as (start, ended):
        asked = asked_of_keycloak(start)
        answer = {"code": "x", "state": asked["state"], "iss": "https://evil.example"}
        requests.get(asked["redirect_uri"], params=answer, timeout=10)
        assert "another issuer" in ended()
    assert platform.asked("authorization_code") == 0


def test_a_code_that_was_made_for_another_login_is_not_accepted(
    platform: Double, browses: Callable[[Visit], list[str]]
):
    other = browser.Attempt(discovery.keycloak(discovery.platform(platform.url)), "mlflow-client", "openid")
    with waiting(platform, browses) as (start, ended):
        asked = asked_of_keycloak(start)
        theirs = requests.get(
            other.authorization_url("http://127.0.0.1:1/callback"), timeout=10, allow_redirects=False
        ).headers["location"]
        answer = {"code": parse_qs(urlsplit(theirs).query)["code"][0], "state": asked["state"]}
        requests.get(asked["redirect_uri"], params=answer, timeout=10)
        assert "does not accept this login" in ended()
    assert LoginFile(platform.url).load() is None


def test_an_identity_token_for_another_login_is_not_accepted(platform: Double, browses: Callable[[Visit], list[str]]):
    platform.nonce = "another-login's"
    browses(follow)
    with pytest.raises(ClientError, match="belongs to another login"):
        log_in(platform.url, "browser", offline=False)
    assert LoginFile(platform.url).load() is None


def test_nobody_at_the_browser_ends_in_a_clear_sentence(platform: Double, browses: Callable[[Visit], list[str]]):
    browses(lambda url: None)
    keycloak = discovery.keycloak(discovery.platform(platform.url))
    with pytest.raises(NotLoggedIn, match="Nobody logged in within"):
        browser.log_in(keycloak, "mlflow-client", "openid", print, wait=0.1)


def test_a_new_login_replaces_the_one_before(platform: Double, logged_in: LoginFile, pauses: list[float]):
    platform.user = "vera"
    log_in(platform.url, "device", offline=False)
    kept = logged_in.load()
    assert kept
    assert kept.tokens.username == "vera"


def test_logging_out_ends_the_login_here_and_at_keycloak(platform: Double, logged_in: LoginFile):
    login = logged_in.load()
    assert login
    assert log_out(platform.url)
    assert logged_in.load() is None
    (revoked,) = platform.to("/realms/test/revoke")
    assert revoked.form["token"] == login.tokens.refresh_token
    assert not log_out(platform.url)


def test_logging_out_while_keycloak_is_away_removes_the_login_and_says_so(platform: Double, logged_in: LoginFile):
    platform.down = True
    with pytest.raises(ClientError, match="removed here, but Keycloak still has it"):
        log_out(platform.url)
    assert logged_in.load() is None


def test_in_python_whoever_is_logged_in_is_not_asked_again(
    platform: Double, logged_in: LoginFile, capsys: pytest.CaptureFixture[str]
):
    mlflow_platform.login()
    assert "as dev" in capsys.readouterr().err
    assert platform.requests == []


def test_a_batch_job_is_never_asked(platform: Double):
    with pytest.raises(NotLoggedIn, match="no browser and no terminal"):
        mlflow_platform.login()


def test_a_notebook_shows_a_link(platform: Double, pauses: list[float], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(login, "_in_notebook", lambda: True)
    mlflow_platform.login()
    assert LoginFile(platform.url).load()


def refresh_token(file: LoginFile) -> str | None:
    kept = file.load()
    return kept.tokens.refresh_token if kept else None


@pytest.mark.parametrize(("session", "life"), [("second", 1800), ("first", 0)], ids=["other session", "offline"])
def test_a_new_login_ends_the_one_that_it_replaces(
    platform: Double, logged_in: LoginFile, browses: Callable[[Visit], list[str]], session: str, life: int
):
    old = refresh_token(logged_in)
    platform.session, platform.session_life = session, life
    browses(follow)
    log_in(platform.url, "browser", offline=not life)
    assert [request.form["token"] for request in platform.to("/realms/test/revoke")] == [old]
    assert refresh_token(logged_in) != old


def test_a_new_login_in_the_same_session_is_not_ended_with_the_old_one(
    platform: Double, logged_in: LoginFile, browses: Callable[[Visit], list[str]]
):
    browses(follow)
    log_in(platform.url, "browser", offline=False)
    assert platform.to("/realms/test/revoke") == []


def test_a_damaged_login_is_replaced_by_a_new_one(
    platform: Double, logged_in: LoginFile, browses: Callable[[Visit], list[str]]
):
    logged_in.path.write_text("null")
    browses(follow)
    log_in(platform.url, "browser", offline=False)
    assert refresh_token(logged_in)
