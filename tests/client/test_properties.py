"""What a browser, Keycloak, a URL or the login's file says is used as it was meant, or refused in a sentence."""

import base64
import json
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow_platform.client import browser, device, discovery, tokens, web
from mlflow_platform.client.addresses import server_of
from mlflow_platform.client.discovery import Keycloak
from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.store import Login, LoginFile
from mlflow_platform.client.tokens import Tokens
from urllib3.util import parse_url

from tests.anything import HEADERS, JSON, NO_JSON, STATUS, any_server, bodies
from tests.client.double import Double

often = settings(max_examples=150, deadline=None)

ISSUER = "https://keycloak.example/realms/mlflow"
ENDPOINTS = Keycloak(ISSUER, *(f"{ISSUER}/{name}" for name in ("auth", "device", "token", "revoke")))

# What a browser brings back to the port that a login waits at.

STATE, CODE = "the-state", "the-code"
RIGHT = [("state", STATE), ("code", CODE), ("iss", ISSUER)]
FIELD = st.tuples(
    st.sampled_from(["state", "code", "iss", "error", "x"]),
    st.sampled_from(["", STATE, f"{STATE}x", ISSUER, "access_denied", "<b>evil</b>"]) | st.text(),
)
FIELDS = st.tuples(st.lists(st.sampled_from(RIGHT), unique=True) | st.just(RIGHT), st.lists(FIELD, max_size=2))


def test_a_browsers_answer_is_the_one_that_was_waited_for_or_changes_nothing(home: Path):
    attempt = browser.Attempt(ENDPOINTS, "mlflow-client", "openid", state=STATE, started=True)
    loopback = browser._Loopback(attempt)

    @often
    @given(FIELDS.flatmap(lambda parts: st.permutations(parts[0] + parts[1])))
    @example(RIGHT)
    @example([*RIGHT, *[("x", "y")] * 25])
    def any_answer(fields: list[tuple[str, str]]) -> None:
        attempt.code = attempt.problem = ""
        connection = HTTPConnection(urlsplit(loopback.redirect_uri).netloc, timeout=10)
        connection.request("GET", f"/callback?{urlencode(fields)}")
        answer = connection.getresponse()
        page = answer.read().decode()
        connection.close()

        state, code, issuer, error = ([v for k, v in fields if k == n and v] for n in ("state", "code", "iss", "error"))
        ours = state == [STATE] and len(fields) <= 20
        good = ours and len(code) == 1 and issuer in ([], [ISSUER]) and not error
        assert (answer.status, attempt.over) == (200 if ours else 403, ours)
        assert attempt.code == (code[0] if good else "")
        assert "evil" not in page

    try:
        any_answer()
    finally:
        loopback.close()


# What Keycloak answers.

CLAIMS = {"iss": ISSUER, "aud": "mlflow-client", "nonce": "the-nonce"}
ALMOST = ["mlflow-client", "mlflow-client2", ["minio", "mlflow-client"], ["mlflow"], {"mlflow-client": 1}, f"{ISSUER}/"]


@often
@given(st.dictionaries(st.sampled_from([*CLAIMS, "sub"]), st.sampled_from(ALMOST) | JSON, max_size=2) | JSON)
@example({})
def test_an_identity_token_is_this_logins_or_refused(changes: Any):
    claims = {**CLAIMS, **changes} if isinstance(changes, dict) else changes
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    try:
        tokens.check_identity(f"e30.{payload}.x", issuer=ISSUER, client_id="mlflow-client", nonce="the-nonce")
    except ClientError:
        assert changes != {}
        return
    audience = claims["aud"]
    assert (claims["iss"], claims["nonce"]) == (ISSUER, "the-nonce")
    assert "mlflow-client" in audience if isinstance(audience, list) else audience == "mlflow-client"


@often
@given(JSON | st.text(alphabet="ey.=-_J0 "))
def test_what_is_no_identity_token_is_refused(token: Any):
    with pytest.raises(ClientError):
        tokens.check_identity(token, issuer=ISSUER, client_id="mlflow-client", nonce="the-nonce")


def test_a_login_by_code_shows_one_address_of_keycloaks_and_one_code(platform: Double, pauses: list[float]):
    keycloak = discovery.keycloak(discovery.platform(platform.url))
    here = platform.issuer
    pages = [f"{here}/x?y=z", f"{here}@evil.example", f"{platform.url}.evil.example", f"{here}\\@evil", "//evil"]
    address = st.sampled_from(pages) | st.text().map(lambda text: here + text) | JSON
    codes = st.sampled_from(["ABCD", "a b", "\x1b[2J", "A\nB", "x" * 65]) | JSON
    answers = st.fixed_dictionaries(
        {},
        optional={
            "verification_uri": address,
            "verification_uri_complete": address,
            "user_code": codes,
            "device_code": st.text(min_size=1) | st.none() | st.lists(st.text()),
            "interval": JSON,
            "expires_in": JSON,
        },
    )

    @settings(max_examples=100, deadline=None)
    @given(answers)
    @example({})
    def any_answer(changes: dict[str, Any]) -> None:
        platform.device_changes = changes
        pauses.clear()
        said: list[str] = []
        try:
            device.log_in(keycloak, "mlflow-client", "openid", said.append)
        except ClientError:
            assert changes
        for text in said:
            first, second = text.split("\n")
            shown = urlsplit(first.removeprefix("To log in, open "))
            assert f"{shown.scheme}://{shown.netloc}" == platform.url
            assert first.isprintable()
            assert second.rpartition(" ")[2] == changes.get("user_code", "ABCD-EFGH")
        assert sum(pauses) <= 1800

    any_answer()


def test_an_answer_is_a_json_object_or_a_clear_error_and_leads_nowhere_else(home: Path):
    with any_server() as server:

        @often
        @given(STATUS, HEADERS, bodies({"a": 1}, JSON))
        @example(200, {}, b"{}")
        @example(307, {"Location": "/elsewhere"}, b"")
        def any_answer(status: int, headers: dict[str, str], body: bytes) -> None:
            server.will_answer(status, body, headers)
            try:
                answered, document = web.post(f"{server.url}/token", {"refresh_token": "a-secret"}, True)
                assert (answered, type(document)) == (status, dict)
                assert json.dumps(web.get(f"{server.url}/token", True)) == json.dumps(json.loads(body))
                assert status == 200
            except ClientError as error:
                assert "a-secret" not in str(error)
                assert (status, body) != (200, b"{}") or headers
            assert set(server.paths) == {"/token"}

        any_answer()


# What a request is for.

SCHEMES = st.sampled_from(["http://", "http://", "HTTP://", "https://", "//", "http:/", "http:\\\\", "http://\t"])
USERS = st.sampled_from(["", "", "", "user@", "a:b@", "evil.example@", "evil.example\\@", "evil.example/@"])
HOSTS = st.sampled_from(["mlflow.example", "MLflow.Example", "evil.example", "mlflow.example.evil.example", "[::1]"])
PORTS = st.sampled_from([":5000", ":5000", ":05000", "", ":80", ":5000@evil.example", ":50000", ":5000.evil.example"])
REST = st.text(st.sampled_from("/\\?#@:.;%2f \t\n\x00é"), max_size=6) | st.text(max_size=6)


def test_a_url_that_counts_as_the_tracking_servers_goes_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000/")

    @settings(max_examples=200, deadline=None)
    @given(st.tuples(SCHEMES, USERS, HOSTS, PORTS, REST).map("".join) | st.text())
    def any_url(url: str) -> None:
        if server_of(url):
            assert server_of(url) == "http://mlflow.example:5000"
            sent = requests.Request("GET", url).prepare().url
            target = parse_url(sent or "")
            assert (target.scheme, target.auth, target.host, target.port) == ("http", None, "mlflow.example", 5000)
            assert urlsplit(url).hostname == "mlflow.example"

    any_url()


@often
@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_every_path_of_the_tracking_server_is_its_own(path: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
        assert server_of(f"https://mlflow.example/{path}") == "https://mlflow.example"


# The login's file.

SERVER = "https://mlflow.example"
GIVEN = Tokens("an-access-token", "a-refresh-token", "dev", 300.0, 2e9, 2e9)
LOGIN = Login(SERVER, ISSUER, "mlflow-client", ENDPOINTS.token, ENDPOINTS.revocation, GIVEN)
MISSING = "is left out"
DAMAGE = st.sampled_from([MISSING, "https://evil.example/token", f"{ISSUER}.evil/", f"{ISSUER}@evil.example/"]) | JSON
PLACES = st.sampled_from(["version", *asdict(LOGIN), *(f"tokens.{name}" for name in asdict(GIVEN))])


def damaged(place: str, value: Any) -> bytes:
    document = {"version": 1, **asdict(LOGIN)}
    *outer, name = place.split(".")
    inner = document[outer[0]] if outer else document
    inner[name] = value
    if value == MISSING:
        del inner[name]
    return json.dumps(document).encode()


WHOLE = damaged("version", 1)


def test_any_content_of_the_file_is_this_servers_login_or_a_clear_error(home: Path):
    file = LoginFile(SERVER)
    file.save(LOGIN)

    @settings(max_examples=200, deadline=None)
    @given(st.builds(damaged, PLACES, DAMAGE) | JSON.map(lambda content: json.dumps(content).encode()) | NO_JSON)
    @example(WHOLE)
    @example(b"null")
    def any_content(content: bytes) -> None:
        file.path.write_bytes(content)
        try:
            login = file.load()
        except ClientError as error:
            assert "is not used" in str(error)
            assert "-token" not in str(error)
            assert content != WHOLE
            return
        assert login
        assert login.tracking_uri == SERVER
        for endpoint in (login.token_endpoint, login.revocation_endpoint):
            assert urlsplit(endpoint).netloc == urlsplit(login.issuer).netloc

    any_content()
