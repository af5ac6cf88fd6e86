"""Who did what on the running servers: one person's day, in one order, and nothing of it that gives anything away."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import Person
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

CALLER = "X-MLflow-Platform-Caller"
PAGE, STORAGE_EVENTS = "/platform/audit", "/platform/storage-events"
TRIES = """
import os, sys, psycopg
from mlflow_platform.server.settings import SECRETS, load_secrets
load_secrets(SECRETS)
uri = os.environ["MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI"].replace("+psycopg", "")
with psycopg.connect(uri, autocommit=True) as database:
    for statement in sys.argv[1:]:
        try:
            database.execute(statement)
            print(statement)
        except psycopg.errors.InsufficientPrivilege:
            print(statement, "is refused")
"""
ROWS = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"


def said(platform: Platform, last: str, *options: str) -> str:
    """What the command says, once it has this: S3's servers tell of a request a second later."""
    deadline = time.monotonic() + 20
    while True:
        asked = platform.stack.platform("audit", "--since", "10m", *options)
        assert asked.returncode == 0, asked.stderr
        if last in asked.stdout or time.monotonic() > deadline:
            return asked.stdout
        time.sleep(1)


@pytest.fixture(scope="module")
def day(platform: Platform) -> None:
    """What vera and dev do on it."""
    token = platform.token("vera")
    created = platform.ask(token, "POST", "/api/2.0/mlflow/experiments/create", json={"name": "not hers"})
    found = platform.ask(token, "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 1})
    assert (created.status_code, found.status_code) == (403, 200)
    assert CALLER not in found.headers
    bucket = platform.outputs["artifact_bucket"]
    platform.s3(token).list_objects_v2(Bucket=bucket, Prefix="listed/")
    anonymous = platform.ask("", "GET", "/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
    assert anonymous.status_code == 401
    s3 = platform.s3(platform.token("dev"))
    s3.put_object(Bucket=bucket, Key="audited/a&b", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="audited/a&b")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "many/1"}, {"Key": "many/2"}]})


def test_a_persons_login_requests_objects_and_refusals_are_in_one_order(platform: Platform, day: None):
    told_of_her = said(platform, "ListObjectsV2", "--user", "vera")
    told = [
        told_of_her.index(words)
        for words in (
            "LOGIN",
            "refused POST /api/2.0/mlflow/experiments/create",
            "POST /api/2.0/mlflow/experiments/search",
            "credentials POST",
            "ListObjectsV2 mlflow",
        )
    ]
    assert told == sorted(told), told_of_her
    assert "403" in told_of_her
    assert "listed" not in told_of_her  # a query
    everything = said(platform, "DeleteMultipleObjects mlflow/many/2")
    assert "DeleteMultipleObjects mlflow/many/1" in everything
    assert "refused GET /api/2.0/mlflow/experiments/get" in everything
    uploaded, deleted = (everything.index(f"{it} mlflow/audited/a&b") for it in ("PutObject", "DeleteObject"))
    assert uploaded < deleted
    assert re.search(r"S3 +dev +\S+ +PutObject", everything)
    secrets = [secret for secret in platform.handed_out if secret]
    assert not [secret for secret in secrets if secret in everything]


def test_an_administrator_sees_in_the_browser_what_the_command_says(
    platform: Platform, day: None, someone: Callable[[str], Person]
):
    ada = someone("audit ada")
    ada.open(platform.url)
    ada.log_in("ada")
    ada.page.get_by_role("link", name="Audit trail").click()
    expect(ada.page.get_by_role("heading", name="Audit trail")).to_be_visible()
    until_it_has(ada.page, "DeleteObject mlflow/audited/a&b")
    ada.saw("everything")
    assert [row[1:4] + row[4:5] for row in rows(ada.page) if "ObjectV" not in row[4] and "audited" in row[4]] == [
        ["S3", "dev", rows(ada.page)[0][3], f"{action} mlflow/audited/a&b"] for action in ("DeleteObject", "PutObject")
    ]

    ada.page.get_by_label("User").focus()  # by keyboard alone
    ada.page.keyboard.type("vera")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("cell", name="dev", exact=True)).to_have_count(0)
    of_vera = [" ".join(" ".join(row).split()) for row in reversed(rows(ada.page))]
    by_command = said(platform, "ListObjectsV2", "--user", "vera").splitlines()[1:]
    assert of_vera == [" ".join(line.replace(" - ", " ").removesuffix(" -").split()) for line in by_command]

    ada.page.get_by_label("Refused only").check()
    ada.page.get_by_role("button", name="Show").click()
    expect(ada.page.get_by_role("cell", name="ListObjectsV2", exact=False)).to_have_count(0)
    assert [row[4] for row in rows(ada.page)] == ["refused POST /api/2.0/mlflow/experiments/create"]
    ada.saw("vera refused")
    assert ada.elsewhere() == set()


def rows(page: Page) -> list[list[str]]:
    return page.locator("tbody tr").evaluate_all(ROWS)


def until_it_has(page: Page, words: str) -> None:
    deadline = time.monotonic() + 20
    while not page.get_by_text(words).count():
        assert time.monotonic() < deadline, words
        page.reload()


@pytest.mark.parametrize("user", ["dev", "vera", "guest"])
def test_nobody_else_sees_it(platform: Platform, day: None, someone: Callable[[str], Person], user: str):
    person = someone(f"audit {user}")
    person.open(f"{platform.url}{PAGE}?user=vera")
    person.log_in(user)
    expect(person.page.get_by_text("This page is for the platform's administrators.")).to_be_visible()
    person.saw("refused")
    assert person.page.get_by_role("link", name="Audit trail").count() == 0
    answer = platform.ask(platform.token(user), "GET", PAGE)
    assert (answer.status_code, "vera" in answer.text) == (403, False)


def test_nobody_outside_forges_an_event_nor_whoever_gets_into_another_container(platform: Platform, day: None):
    event = '{"time": "2026-01-01T00:00:00Z", "api": {"name": "PutObject", "statusCode": 200}, "accessKey": "impostor"}'
    for path in (STORAGE_EVENTS, f"/{STORAGE_EVENTS}", "/platform/./storage-events", "/platform/%73torage-events"):
        answer = platform.ask(platform.token("ada"), "POST", path, content=event)
        assert answer.status_code in (403, 404)
    post = f"curl -s -o /dev/null -w '%{{http_code}}' -d '{event}' http://mlflow:5000{STORAGE_EVENTS}"
    assert platform.stack.run("gateway", ["sh", "-c", post]).strip() == "403"
    assert "impostor" not in said(platform, "DeleteObject")


def test_mlflow_reads_of_keycloak_what_happened_and_nothing_else(platform: Platform):
    """Neither who people are nor what they log in with; and it changes nothing."""
    statements = ["SELECT 1 FROM event_entity", "SELECT 1 FROM admin_event_entity"]
    forbidden = [
        "SELECT 1 FROM user_entity",
        "SELECT 1 FROM credential",
        "DELETE FROM event_entity",
        "CREATE TABLE a ()",
    ]
    done = platform.stack.run("mlflow", ["python", "-c", TRIES, *statements, *forbidden]).splitlines()
    assert done == [*statements, *(f"{statement} is refused" for statement in forbidden)]
