"""The administrators' page of the running server: what is on it, in which order, and to whom it is shown."""

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest
from mlflow_platform.server.trail.page import PATH
from mlflow_platform.server.trail.storage import PATH as STORAGE_EVENTS

from tests.plugin.browsing import NAVIGATE, Browser, eventually
from tests.plugin.conftest import STORAGE_EVENTS_TOKEN, TEAMS, Server
from tests.plugin.web_logins import Person

CREATE, SEARCH = "/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow/experiments/search"


@pytest.fixture
def administrator(server: Server) -> Browser:
    browser = Browser(server)
    assert browser.log_in(Person("root", ("admins",))).status_code == 303
    return browser


@pytest.fixture
def somebody() -> str:
    """A user name of one test's own."""
    return f"somebody-{time.monotonic_ns()}"


def shown(browser: Browser, **asked: str) -> list[list[str]]:
    """The rows' cells but for the time; newest first."""
    page = browser.http.get(PATH, params=asked, headers=NAVIGATE)
    assert page.status_code == 200, page.text
    return list(_rows(page.text))


def _rows(page: str) -> Iterator[list[str]]:
    for row in re.findall(r"<tr[^>]*>(<td>.*?)</tr>", page):
        yield [unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row)][1:]


def events_of(browser: Browser, number: int, **asked: str) -> list[list[str]]:
    """As soon as there are so many: each worker writes its own, a moment later."""
    assert eventually(lambda: len(shown(browser, **asked)) >= number), shown(browser, **asked)
    return shown(browser, **asked)


def test_what_somebody_did_and_was_refused_is_in_one_order(
    server: Server, administrator: Browser, somebody: str
) -> None:
    token = server.realm.token(somebody, ("viewers",))
    assert server.ask(token, "POST", SEARCH, json={"max_results": 1}).status_code == 200
    assert server.ask(token, "POST", CREATE, json={"name": "not theirs"}).status_code == 403
    assert events_of(administrator, 3, user=somebody) == [
        [
            "MLflow",
            somebody,
            "127.0.0.1",
            f"refused POST {CREATE}",
            "status 403, reason Your teams may read here, not write.",
            "default",
        ],
        ["MLflow", somebody, "127.0.0.1", f"POST {SEARCH}", "200", "default"],
        ["MLflow", somebody, "127.0.0.1", f"admitted POST {SEARCH}", "level READ", ""],
    ]
    [refused] = shown(administrator, user=somebody, refused="1")
    assert refused[3] == f"refused POST {CREATE}"
    assert shown(administrator, user=somebody, workspace="default")[-1][3] == f"POST {SEARCH}"
    assert shown(administrator, user=somebody, workspace="another") == []
    assert shown(administrator, user=somebody, since="2200-01-01T00:00") == []
    assert len(shown(administrator, user=somebody, since="2020-01-01T00:00")) == 3


@pytest.mark.parametrize("team", [*sorted(set(TEAMS) - {"admins"}), "of no team"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}?user=root", f"{PATH}?before=nonsense"])
def test_everybody_else_learns_that_it_is_closed_and_no_more(server: Server, team: str, path: str) -> None:
    token = server.realm.token(f"nosy-{team}", (team,))
    for method in ("GET", "HEAD", "POST"):
        answer = server.ask(token, method, path)
        assert answer.status_code == 403
    assert server.ask(token, "GET", path).json() == {
        "error_code": "PERMISSION_DENIED",
        "message": "This page is for the platform's administrators.",
    }


def test_who_is_not_logged_in_is_led_to_the_login_and_back_to_the_filter(server: Server) -> None:
    browser = Browser(server)
    asked = browser.open(f"{PATH}?user=ada&refused=1")
    assert asked.status_code == 302
    back = browser.come_back(server.realm.web.authorize(asked.headers["location"], Person("root", ("admins",))))
    assert back.headers["location"] == f"{PATH}?user=ada&refused=1"
    assert server.http.get(PATH).status_code == 401


def test_no_other_site_reads_it_in_the_administrators_name(administrator: Browser) -> None:
    for mode, dest in (("cors", "empty"), ("no-cors", "image"), ("navigate", "iframe")):
        foreign = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "cross-site"}
        assert administrator.http.get(PATH, headers=foreign).status_code == 403


def test_names_and_paths_are_shown_and_never_run(server: Server, administrator: Browser, somebody: str) -> None:
    attack = f"/{somebody}/'><script>alert(1)</script><img src=x onerror=alert(2)>"
    assert server.http.get(attack).status_code == 401
    assert eventually(lambda: any(attack in row[3] for row in shown(administrator, refused="1")))
    page = administrator.http.get(PATH, params={"user": "'><script>", "workspace": "<b>"}, headers=NAVIGATE)
    for text in (page.text, administrator.open(f"{PATH}?refused=1").text):
        assert "<script" not in text
        assert "<img" not in text
    assert "value='&#x27;&gt;&lt;script&gt;'" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-")
    assert policy.endswith("; form-action 'self'")


@pytest.mark.parametrize(
    "query", ["since=yesterday", "before=x", "before=-1", "before=9999999999999999999999", "since=0001-01-01"]
)
def test_what_is_no_filter_is_said_to_be_none(administrator: Browser, query: str) -> None:
    assert administrator.open(f"{PATH}?{query}").status_code == 400


def test_it_is_only_read_and_the_reading_is_written_down(server: Server, administrator: Browser) -> None:
    token = server.realm.token("root", ("admins",))
    assert server.ask(token, "POST", PATH).status_code == 405
    shown(administrator, user="root")
    assert eventually(lambda: any(f"audit trail read GET {PATH}" in row for row in shown(administrator, user="root")))


def test_all_pages_together_have_each_event_once(server: Server, administrator: Browser, somebody: str) -> None:
    number = 230
    entries = [entry(key=f"{number}", user=somebody, second=number // 7) for number in range(number)]
    assert tell(server, *entries).status_code == 204
    events_of(administrator, 100, user=somebody)
    keys: list[str] = []
    path: str | None = f"{PATH}?user={somebody}"
    while path:
        page = administrator.open(path).text
        keys += [row[3].rpartition("/")[2] for row in _rows(page)]
        older = re.search(r"<a href='([^']*)'>Older", page)
        path = unescape(older[1]) if older else None
    assert sorted(map(int, keys)) == list(range(number))
    assert [int(key) // 7 for key in keys] == sorted((int(key) // 7 for key in keys), reverse=True)


def test_administrators_alone_are_told_of_the_page(server: Server, administrator: Browser) -> None:
    editor = Browser(server)
    editor.log_in(Person("edith"))
    assert administrator.fetch("/oidc/session").json()["administrates"] is True
    assert editor.fetch("/oidc/session").json()["administrates"] is False


def entry(key: str = "a", user: str = "vera", second: int = 0, **changes: Any) -> dict[str, Any]:
    """As MinIO (RELEASE.2026-02-12) writes it."""
    return {
        "version": "1",
        "time": f"2026-11-29T10:{second // 60:02}:{second % 60:02}.123456789Z",
        "trigger": "incoming",
        "api": {"name": "PutObject", "bucket": "mlflow", "object": key, "status": "OK", "statusCode": 200},
        "remotehost": "10.0.0.7",
        "requestClaims": {"preferred_username": user},
        "requestHeader": {"X-Amz-Security-Token": "a session token"},
        "accessKey": "KEY1",
        **changes,
    }


def tell(server: Server, *entries: dict[str, Any], token: str = STORAGE_EVENTS_TOKEN) -> httpx.Response:
    content = "".join(json.dumps(each) + "\n" for each in entries)
    headers = {"Authorization": token, "Host": "mlflow:5000"}
    return server.http.post(STORAGE_EVENTS, content=content, headers=headers)


def test_s3s_events_say_whose_credentials_did_what_and_in_which_workspace(
    server: Server, administrator: Browser, somebody: str
) -> None:
    api = {"bucket": "mlflow", "status": "", "statusCode": 200}
    told = tell(
        server,
        entry(f"workspaces/{somebody}/1/a", somebody),
        entry(second=1, api={**api, "name": "GetObject", "object": f"workspaces/{somebody}/2", "statusCode": 403}),
        # What is not signed by its owner says nothing of him, whatever session token it carries.
        entry(
            user="mallory",
            second=2,
            accessKey="",
            api={**api, "name": "GetObject", "object": f"workspaces/{somebody}/3"},
        ),
        entry(
            second=3, accessKey="mlflow-server", api={**api, "name": "GetObject", "object": f"workspaces/{somebody}/4"}
        ),
        entry(
            second=4,
            accessKey="KEY2",
            requestClaims={},
            api={**api, "name": "PutObject", "object": f"workspaces/{somebody}/5"},
        ),
        entry(
            second=5,
            api={
                **api,
                "name": "DeleteMultipleObjects",
                "object": "7",  # the last that MinIO looked at
                "objects": [{"objectName": f"workspaces/{somebody}/6"}, {"objectName": f"workspaces/{somebody}/7"}],
            },
        ),
    )
    assert (told.status_code, told.content) == (204, b"")
    begin = f"mlflow/workspaces/{somebody}"
    first, second, *others = events_of(administrator, 7, workspace=somebody)
    assert sorted([first, second]) == [
        ["S3", "vera", "10.0.0.7", f"DeleteMultipleObjects {begin}/{number}", "200", somebody] for number in (6, 7)
    ]
    assert others == [
        ["S3", "access key KEY2", "10.0.0.7", f"PutObject {begin}/5", "200", somebody],
        ["S3", "MLflow", "10.0.0.7", f"GetObject {begin}/4", "200", somebody],
        ["S3", "", "10.0.0.7", f"GetObject {begin}/3", "200", somebody],
        ["S3", "vera", "10.0.0.7", f"GetObject {begin}/2", "403", somebody],
        ["S3", somebody, "10.0.0.7", f"PutObject {begin}/1/a", "200", somebody],
    ]
    assert [row[3] for row in shown(administrator, workspace=somebody, refused="1")] == [f"GetObject {begin}/2"]


@pytest.mark.parametrize("token", ["", "Bearer", "guessed", f"{STORAGE_EVENTS_TOKEN}s", STORAGE_EVENTS_TOKEN[:-1]])
def test_nobody_forges_an_event(server: Server, administrator: Browser, somebody: str, token: str) -> None:
    assert tell(server, entry(user=somebody), token=token).status_code == 403
    assert tell(server, entry(user=f"{somebody}-true")).status_code == 204
    assert events_of(administrator, 1, user=f"{somebody}-true")
    assert shown(administrator, user=somebody) == []


def test_an_administrators_token_forges_none_either(server: Server) -> None:
    token = server.realm.token("root", ("admins",))
    assert server.ask(token, "POST", STORAGE_EVENTS, json=entry()).status_code == 403
    assert server.ask(STORAGE_EVENTS_TOKEN, "GET", STORAGE_EVENTS).status_code == 403


def test_what_is_no_event_is_left_out_and_not_asked_for_again(
    server: Server, administrator: Browser, somebody: str
) -> None:
    headers = {"Authorization": f"Bearer {STORAGE_EVENTS_TOKEN}"}
    odd = [
        b"not json", b"[]", b"null", b'{"api": 1}', b'{"api": {"statusCode": "x", "name": "a"}}', b"\xff\xfe",
        json.dumps(entry(time="noon")).encode(), json.dumps(entry(user=f"{somebody}\0\ud800")).encode(),
        b"x" * 5_000_000, json.dumps(entry(user=somebody)).encode(),
    ]  # fmt: skip
    assert server.http.post(STORAGE_EVENTS, content=b"\n".join(odd), headers=headers).status_code == 204
    [row] = events_of(administrator, 1, user=somebody)
    assert row[1] == somebody
    assert events_of(administrator, 1, user=f"{somebody}\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}")
