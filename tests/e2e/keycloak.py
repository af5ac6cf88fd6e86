"""Logs people in as a browser does: by Keycloak's own pages."""

import base64
import hashlib
import secrets
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

_CALLBACK = "http://127.0.0.1:49876/callback"  # nothing listens there: the code is read off the redirect


class Browser:
    """Keeps cookies, follows redirects, fills in forms."""

    def __init__(self) -> None:
        self._http = httpx.Client(timeout=30, trust_env=False, headers={"Accept": "text/html"})
        self._page = httpx.Response(204)

    def open(self, url: str) -> str:
        """Goes to a page, or as far as to the callback, and says where that is."""
        return self._request("GET", url)

    def submit(self, fields: Mapping[str, str]) -> str:
        """Sends the page's form with these fields and its hidden ones."""
        form = _Form()
        form.feed(self._page.text)
        assert form.action, f"there is no form on {self._page.url.path}"
        target = urljoin(str(self._page.url), form.action)
        return self._request("POST", target, {**form.hidden, **fields})

    def cookies(self) -> dict[str, str]:
        """By name, those of all sites."""
        return {cookie.name: cookie.value or "" for cookie in self._http.cookies.jar}

    def _request(self, method: str, url: str, form: Mapping[str, str] | None = None) -> str:
        answer = self._http.request(method, url, data=form)
        for cookie in self._http.cookies.jar:
            cookie.secure = False  # browsers send such cookies to http://localhost too, and Keycloak counts on it
        if answer.is_redirect:
            target = urljoin(url, answer.headers["location"])
            return target if target.startswith(_CALLBACK) else self._request("GET", target)
        assert answer.is_success, f"{answer.url.path} answers {answer.status_code}"
        self._page = answer
        return url


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = values["action"]
        elif tag == "input" and values.get("type") == "hidden" and "name" in values:
            self.hidden[values["name"]] = values.get("value", "")


def token(issuer: str, client_id: str, user: str, password: str) -> str:
    """An access token by the authorization code flow with PKCE."""
    verifier = secrets.token_urlsafe(48)
    state = secrets.token_urlsafe(16)
    question = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": _CALLBACK,
        "scope": "openid",
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    browser = Browser()
    browser.open(f"{issuer}/protocol/openid-connect/auth?{urlencode(question)}")
    callback = parse_qs(urlsplit(browser.submit({"username": user, "password": password})).query)
    assert callback.get("state") == [state], f"{user} was not let in"
    grant = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": callback["code"][0],
        "redirect_uri": _CALLBACK,
        "code_verifier": verifier,
    }
    answer = httpx.post(f"{issuer}/protocol/openid-connect/token", data=grant, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.json().get("error_description")
    return answer.json()["access_token"]


def approve_device(url: str, user: str, password: str) -> None:
    """What a person does at the address that a device shows: logs in and says yes."""
    browser = Browser()
    browser.open(url)
    browser.submit({"username": user, "password": password})
    browser.submit({"accept": "Yes"})


class _Login(httpx.Auth):
    """Keycloak's administrator, who logs in again when the token, which holds for a minute, has ended."""

    requires_response_body = True

    def __init__(self, server: str, admin: Mapping[str, str]):
        grant = {"grant_type": "password", "client_id": "admin-cli"}
        who = {"username": admin["user"], "password": admin["password"]}
        url = f"{server}/realms/master/protocol/openid-connect/token"
        self._login = httpx.Request("POST", url, data={**grant, **who})
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        if not self._token or (yield request).status_code == 401:
            answer = yield self._login
            self._token = answer.json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


@contextmanager
def administration(port: int, admin: Mapping[str, str]) -> Iterator[httpx.Client]:
    """The realm's admin API, as Keycloak's administrator."""
    server = f"http://127.0.0.1:{port}"
    url = f"{server}/admin/realms/mlflow"
    with httpx.Client(base_url=url, auth=_Login(server, admin), timeout=30, trust_env=False) as http:
        yield http


def end_newest_session(administrator: httpx.Client, user: str) -> None:
    """What an administrator does to a user whose laptop was stolen: her last login ends."""
    sessions = administrator.get(f"/users/{user_id(administrator, user)}/sessions").json()
    newest = max(sessions, key=lambda session: session["start"])
    assert administrator.delete(f"/sessions/{newest['id']}").status_code == 204


def user_id(administrator: httpx.Client, user: str) -> str:
    [found] = administrator.get("/users", params={"username": user, "exact": "true"}).json()
    return found["id"]
