"""Whatever a caller sends: who may do what, who is a job, and what a browser's login cookie is worth."""

import base64
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlflow_platform.server.browser.cookies import Cookies
from mlflow_platform.server.browser.logins import AT_ONCE, BYTES_AT_ONCE, Logins
from mlflow_platform.server.browser.seal import Seal
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.routes import SAFE_METHODS, refusal
from mlflow_platform.server.settings import Level
from mlflow_platform.server.within.jobs import Jobs, within

often = settings(max_examples=200, deadline=None)

# Routes: what somebody asks for, and what of it only reads although it is sent as POST.

SEARCHES = ("experiments", "runs", "traces", "logged-models", "issues", "datasets", "prompt-optimization/jobs")
READING = {
    *(f"{kind}/search" for kind in SEARCHES),
    *(f"traces/{what}" for what in ("batchGetInfos", "calculate-filter-correlation", "metrics")),
    "experiments/search-datasets",
    "registered-models/get-latest-versions",
}
READING_ROUTES = sorted(
    {
        "/graphql",
        "/api/2.0/mlflow-platform/session",
        "/ajax-api/3.0/jobs/search",
        *(
            f"/{api}/{version}/mlflow/{what}"
            for api in ("api", "ajax-api")
            for version in ("2.0", "3.0")
            for what in READING
        ),
    }
)
GATEWAY_ROUTES = ("/gateway", "/ajax-api/2.0/mlflow/gateway-proxy")
PIECES = [
    *("/", "/", "//", ".", "..", "%2f", "\n", ";", "?", "api", "ajax-api", "2.0", "mlflow", "users", "roles", "signup"),
    *("assistant", "search", "create", "update", "delete", "jobs", "gateway", "graphql", "runs", "v1", "traces"),
]
METHODS = (
    st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "get", ""]) | st.text()
)
NOISE = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=10)
PATHS = st.one_of(
    NOISE.map(lambda noise: f"/{noise}"),
    st.tuples(st.sampled_from([*READING_ROUTES, *GATEWAY_ROUTES]), NOISE | st.just("")).map("".join),
    st.tuples(NOISE, st.sampled_from([*READING_ROUTES, *GATEWAY_ROUTES])).map("".join),
)


@often
@given(METHODS, PATHS)
def test_nobody_without_a_team_passes_anywhere(method: str, path: str) -> None:
    assert refusal(None, method, path)


@often
@given(METHODS, PATHS)
def test_a_reader_writes_nothing_whatever_the_method_and_the_path(method: str, path: str) -> None:
    if refusal(Level.READ, method, path) is None:
        assert method in SAFE_METHODS or (method == "POST" and path in READING_ROUTES)
        assert not path.startswith(("/gateway/", f"{GATEWAY_ROUTES[1]}/"))


@often
@given(METHODS, PATHS)
def test_a_user_of_models_calls_them_and_writes_nothing_else(method: str, path: str) -> None:
    if refusal(Level.USE, method, path) is None and refusal(Level.READ, method, path):
        assert path in GATEWAY_ROUTES or path.startswith(tuple(f"{route}/" for route in GATEWAY_ROUTES))


@often
@given(METHODS, PATHS)
def test_what_a_level_may_every_higher_one_may_too(method: str, path: str) -> None:
    allowed = [refusal(level, method, path) is None for level in Level]
    assert allowed == sorted(allowed)


@often
@given(
    st.sampled_from(Level),
    METHODS,
    NOISE,
    st.sampled_from(["users/", "roles/", "assistant", "upload-artifact", "artifacts{}presigned-", "/signup"]),
    st.sampled_from(["/", "//", "///"]),
    NOISE,
)
def test_no_level_opens_what_is_closed_to_all(
    level: Level, method: str, before: str, closed: str, slashes: str, after: str
) -> None:
    assume(method not in SAFE_METHODS or closed not in ("users/", "roles/"))  # who there is may be read
    assert refusal(level, method, f"{before}/mlflow{slashes}{closed.format(slashes)}{after}")


# Jobs: a request of this container's own, in somebody's name.

TOKEN = "4f0c" * 16
MODEL = "/gateway/mlflow/v1/chat/completions"
HOST = (b"host", b"127.0.0.1:5000")
HEADER_NAMES = st.sampled_from([b"host", b"authorization", b"cookie", b"x-forwarded-for", b"forwarded", b"accept"])
HEADER = st.tuples(HEADER_NAMES, st.binary(max_size=20))
HEADERS = st.lists(HEADER, max_size=6)


def nobody(user: str) -> Identity:
    raise AssertionError("nobody asks")


JOBS = Jobs(TOKEN, "http://127.0.0.1:5000", nobody)


def basic(credentials: bytes) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(credentials)


def call(*headers: tuple[bytes, bytes], **changes: Any) -> dict[str, Any]:
    request = {"type": "http", "method": "POST", "path": MODEL, "client": ("127.0.0.1", 1), "headers": [*headers]}
    return {**request, **changes}


@often
@given(st.text())
def test_a_job_is_its_users_whatever_her_name(name: str) -> None:
    assert JOBS.user(call(HOST, basic(f"{name}:{TOKEN}".encode()))) == name


@often
@given(st.binary(max_size=60) | st.text(max_size=9).map(lambda text: f"ada:{TOKEN[:-1]}{text}".encode()), st.booleans())
def test_without_the_token_nobody_is_a_job(credentials: bytes, encoded: bool) -> None:
    assume(not credentials.endswith(f":{TOKEN}".encode()))
    header = basic(credentials) if encoded else (b"authorization", credentials)
    assert JOBS.user(call(HOST, header)) is None


@often
@given(
    st.lists(HEADER, max_size=1) | HEADERS,
    st.just("") | st.text(max_size=9),
    st.just(("127.0.0.1", 1)) | st.sampled_from([None, ("10.0.0.1", 1), ("::1", 1), ("127.0.0.1.example", 1)]),
)
def test_the_jobs_token_is_worth_nothing_with_anything_between(
    more: list[tuple[bytes, bytes]], suffix: str, client: tuple[str, int] | None
) -> None:
    request = call(HOST, basic(f"ada:{TOKEN}".encode()), *more, path=MODEL + suffix, client=client)
    between = {name for name, _ in more} - {b"accept", b"cookie"}
    direct = not between and not suffix and client == ("127.0.0.1", 1)
    assert JOBS.user(request) == ("ada" if direct else None)


@often
@given(HEADERS)
def test_mlflow_sees_no_credential_of_a_job_and_one_host(headers: list[tuple[bytes, bytes]]) -> None:
    inner = within(call(*headers), b"mlflow.example")["headers"]
    assert inner[0] == (b"host", b"mlflow.example")
    assert inner[1:] == [header for header in headers if header[0] not in (b"host", b"authorization", b"cookie")]


# A login's cookie, which every neighbour of this host can put into a browser.

COOKIES = Cookies("https://mlflow.example")
LOGINS = Logins(Seal("key", "logins"), COOKIES, lambda: 1000.0)
LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
NAMES = st.text(st.characters(max_codepoint=255, exclude_characters=";="), max_size=20)


def value_of(line: str) -> str:
    return line.split(";")[0].partition("=")[2]


@often
@given(LATIN, st.integers(0), LATIN)
def test_a_login_is_found_as_it_was_begun_or_not_at_all(inserted: str, at: int, state: str) -> None:
    login, (line, *_) = LOGINS.begin({}, "/page")
    name, value = COOKIES.login(login.state), value_of(line)
    cut = at % len(value)
    for changed in (value[:cut] + inserted + value[cut + 1 :], value[:cut] + inserted, inserted + value, inserted):
        assert LOGINS.find({name: changed}, login.state) in (None, login)
    assert LOGINS.find({name: value}, state) is None
    assert LOGINS.find({COOKIES.login(state): value}, state) is None
    assert Logins(Seal("another key", "logins"), COOKIES, lambda: 1000.0).find({name: value}, login.state) is None
    assert LOGINS.find({name: value, COOKIES.login(state): inserted}, login.state) == login


@often
@given(
    st.dictionaries(NAMES.map(lambda name: COOKIES.login("")[:-24] + name), st.integers(0, 8000), max_size=6),
    st.dictionaries(NAMES.filter(lambda name: not COOKIES.is_login(name)), LATIN, max_size=3),
    st.text(st.characters(codec="ascii"), max_size=400),
)
def test_however_many_cookies_are_planted_a_browser_keeps_its_own_logins_and_can_send_them(
    planted: dict[str, int], others: dict[str, str], return_to: str
) -> None:
    junk = {name: "x" * size for name, size in planted.items()}
    first, (line, *_) = LOGINS.begin({}, "/page")
    held = {**junk, COOKIES.login(first.state): value_of(line)}
    second, (line, *drops) = LOGINS.begin({**held, **others}, return_to)
    dropped = {drop.partition("=")[0] for drop in drops}
    assert dropped <= set(junk)
    left = {name: value for name, value in held.items() if name not in dropped}
    left[COOKIES.login(second.state)] = value_of(line)
    assert len(left) <= AT_ONCE
    assert sum(map(len, left.values())) <= BYTES_AT_ONCE
    assert [LOGINS.find(left, login.state) for login in (first, second)] == [first, second]
