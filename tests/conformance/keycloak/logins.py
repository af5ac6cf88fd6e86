"""Logins at the platform's own realm, as its program declares it: in a browser, or with a password alone."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, ProxyHandler, Request, build_opener

import httpx

TRACKING = "http://127.0.0.1:65535"  # nobody is there: a browser that comes back to it has arrived
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str

    @property
    def claims(self) -> dict[str, Any]:
        body = self.access.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=="))

    @property
    def teams(self) -> list[str]:
        return self.claims.get("groups", [])

    @property
    def policies(self) -> list[str]:
        return self.claims.get("policy", [])


class NoTokens(Exception):
    """What Keycloak answers instead."""


@dataclass(frozen=True)
class App:
    """MLflow's client in a realm at a Keycloak."""

    url: str
    realm: str
    secret: str

    @property
    def oidc(self) -> str:
        return f"{self.url}/realms/{self.realm}/protocol/openid-connect"

    def password(self, user: str, password: str) -> Tokens:
        return self._tokens(grant_type="password", username=user, password=password, scope="openid")

    def renewed(self, tokens: Tokens) -> Tokens:
        return self._tokens(grant_type="refresh_token", refresh_token=tokens.refresh)

    def of_code(self, code: str) -> Tokens:
        callback = f"{TRACKING}/oidc/callback"
        return self._tokens(grant_type="authorization_code", code=code, redirect_uri=callback, code_verifier=VERIFIER)

    def _tokens(self, **grant: str) -> Tokens:
        secret = {"client_id": "mlflow", "client_secret": self.secret}
        answer = httpx.post(f"{self.oidc}/token", data={**grant, **secret}, trust_env=False, timeout=60)
        if answer.status_code != 200:
            raise NoTokens(f"{answer.status_code} {answer.text}")
        return Tokens(answer.json()["access_token"], answer.json()["refresh_token"])


@dataclass
class Page(HTMLParser):
    """A page: its text, and its first form."""

    url: str
    status: int
    html: str
    text: str = ""
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)  # id -> address

    def __post_init__(self) -> None:
        super().__init__()
        self._ignored = 0
        self.feed(self.html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self._ignored += tag in ("script", "style")
        if tag == "form" and not self.action:
            self.action = given.get("action", "")
        if tag == "input" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")
        if tag == "a" and "href" in given:
            self.links[given.get("id", given["href"])] = given["href"]

    def handle_endtag(self, tag: str) -> None:
        self._ignored -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._ignored:
            self.text += f" {data}"


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> None:
        return None


class Browser:
    """Follows redirects, keeps cookies, and stops where it is to come back to MLflow."""

    def __init__(self, app: App):
        self._app = app
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))  # as browsers have it on this machine
        handlers = (ProxyHandler({}), HTTPCookieProcessor(jar), _NoRedirects())
        self._opener = build_opener(*handlers)  # httpx and requests forget the jar's policy

    def start(self, **query: str) -> "Page | Tokens":
        """Opens MLflow, which sends it to log in; `kc_idp_hint` is another provider's name."""
        asked = {
            "client_id": "mlflow",
            "redirect_uri": f"{TRACKING}/oidc/callback",
            "response_type": "code",
            "scope": "openid",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **query,
        }
        return self._go("GET", f"{self._app.oidc}/auth?{httpx.QueryParams(asked)}")

    def send(self, page: "Page | Tokens", **values: str) -> "Page | Tokens":
        """Fills in a page's form."""
        assert isinstance(page, Page), "it has logged in already"
        assert page.action, page.text
        return self._go("POST", urljoin(page.url, page.action), {**page.fields, **values})

    def open(self, url: str) -> "Page | Tokens":
        return self._go("GET", url)

    def _go(self, method: str, url: str, data: Mapping[str, str] | None = None) -> "Page | Tokens":
        for _ in range(20):
            body = urlencode(data).encode() if data is not None else None
            try:
                answer = self._opener.open(Request(url, body, method=method), timeout=60)
            except HTTPError as error:
                answer = error
            with answer:
                if answer.status not in (302, 303):
                    return Page(url, answer.status or 0, answer.read().decode())
            method, url, data = "GET", urljoin(url, answer.headers["Location"]), None
            if url.startswith(TRACKING):
                query = parse_qs(urlsplit(url).query)
                return self._app.of_code(query["code"][0])
        raise AssertionError("it never arrives")
