"""The small parts of a browser's login: return addresses, cookies, seals, and the table of sessions."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow_platform.server.browser import return_to
from mlflow_platform.server.browser.cookies import Cookies, parse
from mlflow_platform.server.browser.keycloak import Tokens
from mlflow_platform.server.browser.logins import AT_ONCE, Logins
from mlflow_platform.server.browser.origin import origin_of
from mlflow_platform.server.browser.seal import Seal, SealBroken
from mlflow_platform.server.browser.session_table import METADATA, LoginUsed, Session, SessionTable
from mlflow_platform.server.identity.id_tokens import Subject
from mlflow_platform.server.kept import SESSIONS, Kept, make_stamps
from sqlalchemy import create_engine, event

HERE = "https://mlflow.example.com"
NOISE = st.text(st.sampled_from("/\\%25cf.:@?#&=oidc\t\n \x00é;a"), max_size=30)


@given(st.one_of(NOISE, NOISE.map(lambda text: f"/{text}"), st.text()))
def test_no_return_address_leaves_this_server_however_it_is_read(target: str) -> None:
    safe = return_to.safe(target)
    assert safe in (target, "/")
    path = re.split("[?#]", safe)[0]
    for reading in (safe, unquote(path), unquote(unquote(path))):
        assert "\\" not in reading.partition("?")[0].partition("#")[0]
        assert urlsplit(urljoin(f"{HERE}/oidc/callback", reading)).netloc == "mlflow.example.com"
    assert safe.isascii() and safe.isprintable() and " " not in safe
    assert safe.startswith("/") and not safe.startswith("//")


@pytest.mark.parametrize(
    "target",
    ["/", "/?x=//evil", "/#/experiments/1?o=%5C%2F", "/a%20b/c?d=%0a", "/a%2fb", "/~a/b.html", "/?a=http://x#//y"],
)
def test_pages_of_this_server_are_returned_to_unchanged(target: str) -> None:
    assert return_to.safe(target) == target


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_cookie_header_is_read_without_an_error(values: list[bytes]) -> None:
    cookies = parse([(b"cookie", value) for value in values])
    assert all(";" not in name and ";" not in value and "=" not in name for name, value in cookies.items())


NAMES = st.text(st.sampled_from("abcdef-_"), min_size=1, max_size=3)
VALUES = st.text(st.sampled_from("abc123=-_"), max_size=8)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.booleans())
def test_a_cookie_is_read_as_it_was_sent_or_not_at_all(pairs: list[tuple[str, str]], apart: bool) -> None:
    sent = [f"{name}={value}" for name, value in pairs]
    headers = sent if apart else ["; ".join(sent)]
    names = [name for name, _ in pairs]
    once = {name: value for name, value in pairs if names.count(name) == 1}
    assert parse([(b"cookie", header.encode()) for header in headers]) == once


def test_under_https_no_other_host_and_no_plain_http_sets_our_cookies() -> None:
    cookies = Cookies(HERE)
    assert cookies.set_session("x") == "__Host-mlflow-platform-443=x; Path=/; Secure; HttpOnly; SameSite=Lax"
    line = cookies.set_login(cookies.login("state"), "x")
    assert line.startswith("__Secure-mlflow-platform-login-443-")
    assert line.endswith("=x; Path=/oidc; Max-Age=600; Secure; HttpOnly; SameSite=Lax")


def test_two_stacks_on_one_host_keep_their_cookies_apart() -> None:
    ours, theirs = Cookies("http://localhost:500"), Cookies("http://localhost:5000")
    assert ours.session != theirs.session
    assert ours.login("state") != theirs.login("state")
    assert not ours.is_login(theirs.login("state"))
    assert not theirs.is_login(ours.login("state"))
    assert not ours.is_login(ours.session)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://MLflow.example.com:443/", "https://mlflow.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:5000/x", "http://[::1]:5000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_a_login_is_over_after_ten_minutes() -> None:
    now = [1000.0]
    logins, cookies = Logins(Seal("key", "logins"), Cookies(HERE), lambda: now[0]), Cookies(HERE)
    login, lines = logins.begin({}, "/page")
    held = {cookies.login(login.state): lines[0].split(";")[0].partition("=")[2]}
    now[0] += 599
    assert logins.find(held, login.state) == login
    now[0] += 2
    assert logins.find(held, login.state) is None


def test_the_oldest_logins_of_a_browser_go_first() -> None:
    now = [1000.0]
    logins = Logins(Seal("key", "logins"), Cookies(HERE), lambda: now[0])
    held: dict[str, str] = {}
    dropped: list[list[str]] = []
    for _ in range(AT_ONCE + 1):
        now[0] += 1
        _, (line, *drops) = logins.begin(held, "/")
        name, _, value = line.split(";")[0].partition("=")
        held[name] = value
        dropped.append([drop.split("=")[0] for drop in drops])
    assert dropped == [[], [], [], [], [next(iter(held))]]


def test_what_is_sealed_opens_only_unchanged_in_its_place_with_its_key() -> None:
    seal = Seal("key", "sessions")
    sealed = seal.close(b"secret", "place")
    assert seal.open(sealed, "place") == b"secret"
    assert seal.close(b"secret", "place") != sealed
    for other, changed, place in (
        (seal, sealed, "elsewhere"),
        (seal, sealed[:-1] + bytes([sealed[-1] ^ 1]), "place"),
        (seal, sealed[:20], "place"),
        (seal, b"", "place"),
        (Seal("key", "logins"), sealed, "place"),
        (Seal("another key", "sessions"), sealed, "place"),
    ):
        with pytest.raises(SealBroken):
            other.open(changed, place)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SessionTable]:
    engine = create_engine(f"sqlite:///{tmp_path}/auth.db")
    METADATA.create_all(engine)
    yield SessionTable(engine, Seal("key", "sessions"), Kept(None, SESSIONS), 100, 1000)
    engine.dispose()


@pytest.fixture
def workers(table: SessionTable, tmp_path: Path) -> tuple[SessionTable, SessionTable]:
    """Two that keep what they read, and hear of each other's writes."""
    file = Path(make_stamps(tmp_path))
    here, there = (
        SessionTable(table._engine, Seal("key", "sessions"), Kept(file, SESSIONS), 100, 1000) for _ in range(2)
    )
    return here, there


def session(name: str, created_at: float = 0.0, used_at: float | None = None) -> Session:
    used_at = created_at if used_at is None else used_at
    return Session(name, created_at, used_at, 10.0, 20.0, Tokens(f"access of {name}", "refresh", None))


def keep(table: SessionTable, kept: Session, sub: str = "ada", sid: str | None = None) -> None:
    table.add(kept, f"login of {kept.id}", Subject(sub, sid or f"sid of {kept.id}", 0), None)


def test_of_many_who_would_renew_one_does(table: SessionTable) -> None:
    one = session("one")
    keep(table, one)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: table.claim(one, 15.0, 30.0), range(8)))
    assert sum(won) == 1


def test_a_claim_ends_with_its_time_with_its_return_and_with_new_tokens(table: SessionTable) -> None:
    one = session("one")
    keep(table, one)
    assert [table.claim(one, 15.0, 30.0), table.claim(one, 29.0, 44.0), table.claim(one, 31.0, 46.0)] == [1, 0, 1]
    table.give_back("one")
    assert table.claim(one, 32.0, 47.0)
    renewed = Session("one", 0, 0, 50.0, 60.0, Tokens("new", "new", None))
    assert table.renew(renewed)
    assert not table.claim(one, 48.0, 63.0)  # whoever still has the old tokens
    assert table.find("one", 48.0) == renewed


def test_a_session_that_ended_is_not_renewed(table: SessionTable) -> None:
    one = session("one")
    keep(table, one)
    table.end("one")
    assert not table.claim(one, 15.0, 30.0)
    assert not table.renew(one)
    assert table.find("one", 15.0) is None


def test_a_session_ends_when_it_is_idle_or_old(table: SessionTable) -> None:
    keep(table, session("one"))
    assert table.find("one", 99.0)
    assert table.find("one", 100.0) is None
    for now in range(90, 1000, 90):
        table.touch("one", float(now))
    assert table.find("one", 999.0)
    assert table.find("one", 1000.0) is None


def test_what_has_ended_is_swept_and_nothing_else(table: SessionTable) -> None:
    for kept in (session("idle"), session("old", 0.0, 1500.0), session("young", 1400.0, 1500.0)):
        keep(table, kept)
    table.sweep(1550.0)
    everything = SessionTable(table._engine, Seal("key", "sessions"), Kept(None, SESSIONS), 10_000, 10_000)
    assert [name for name in ("idle", "old", "young") if everything.find(name, 1550.0)] == ["young"]


def test_a_login_makes_one_session(table: SessionTable) -> None:
    table.add(session("one"), "login", Subject("ada", "sid", 0), None)
    with pytest.raises(LoginUsed):
        table.add(session("two"), "login", Subject("ada", "sid", 0), "one")
    assert table.is_used("login")
    assert table.find("one", 1.0)


def test_a_logout_is_of_one_session_or_of_all_of_a_users_that_were_there_before(table: SessionTable) -> None:
    keep(table, session("one"), sid="a")
    keep(table, session("two"), sid="b")
    keep(table, session("later", 90.0), sid="c")
    keep(table, session("berts"), sub="bert", sid="d")
    assert table.end_of(Subject("ada", "a", 50.0)) == 1
    assert table.end_of(Subject("ada", None, 50.0)) == 1
    assert [bool(table.find(name, 95.0)) for name in ("one", "two", "later", "berts")] == [False, False, True, True]


def test_nothing_of_a_session_lies_open_in_the_database(table: SessionTable, tmp_path: Path) -> None:
    keep(table, session("one"))
    assert b"access of one" not in (tmp_path / "auth.db").read_bytes()
    assert table.find("one", 1.0)


Workers = tuple[SessionTable, SessionTable]


@pytest.fixture
def reads(table: SessionTable) -> Iterator[list[str]]:
    """Every SELECT that the database is asked."""
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(table._engine, "before_cursor_execute", note)
    yield asked
    event.remove(table._engine, "before_cursor_execute", note)


def test_a_session_is_read_once_while_nothing_happens_to_it(workers: Workers, reads: list[str]) -> None:
    keep(workers[0], session("one"))
    assert all(workers[0].find("one", now) == session("one") for now in (1.0, 2.0, 3.0))
    assert len(reads) == 1


@pytest.mark.parametrize("end", ["its own", "all of hers", "another login in its place"])
def test_a_logout_in_one_worker_counts_at_once_in_the_other(workers: Workers, end: str) -> None:
    here, there = workers
    keep(here, session("one"))
    assert here.find("one", 1.0) and there.find("one", 1.0)
    if end == "its own":
        there.end("one")
    elif end == "all of hers":
        there.end_of(Subject("ada", None, 50.0))
    else:
        there.add(session("two"), "login of two", Subject("ada", "sid", 0), "one")
    assert (here.find("one", 1.0), there.find("one", 1.0)) == (None, None)


def test_new_tokens_are_taken_by_the_other_worker_at_once(workers: Workers) -> None:
    here, there = workers
    keep(here, session("one"))
    assert here.find("one", 1.0) and there.find("one", 1.0)
    renewed = Session("one", 0, 0, 50.0, 60.0, Tokens("new", "new", None))
    assert there.renew(renewed)
    assert here.find("one", 1.0) == renewed


def test_a_kept_session_ends_as_any_other_and_goes_on_where_the_other_worker_saw_it_used(workers: Workers) -> None:
    here, there = workers
    keep(here, session("one"))
    assert here.find("one", 1.0)
    there.touch("one", 90.0)
    assert here.find("one", 101.0)
    assert here.find("one", 190.0) is None
    there.touch("one", 950.0)
    assert here.find("one", 999.0)
    assert here.find("one", 1000.0) is None


def test_what_is_not_there_is_looked_for_again(workers: Workers) -> None:
    here, there = workers
    assert here.find("one", 1.0) is None
    keep(there, session("one"))
    assert here.find("one", 1.0)


def test_a_logout_that_comes_while_a_session_is_being_read_is_not_overtaken(workers: Workers) -> None:
    """What was read before the logout is answered at most to that one request."""
    here, there = workers
    keep(here, session("one"))
    read = here._read

    def slowly(session_id: str) -> Session | None:
        found = read(session_id)
        there.end(session_id)
        return found

    here._read = slowly  # pyright: ignore[reportAttributeAccessIssue]
    here.find("one", 1.0)
    here._read = read  # pyright: ignore[reportAttributeAccessIssue]
    assert here.find("one", 1.0) is None
