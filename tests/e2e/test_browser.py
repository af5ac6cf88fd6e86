"""MLflow in a real browser: one login, a session that holds, a logout that ends it, and nothing for other pages."""

import json
import re
from collections.abc import Callable
from functools import cache

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e import keycloak
from tests.e2e.browser import Person, page_elsewhere
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

_PASSWORD = "#password"  # Keycloak's form
_WHO = "/oidc/session"
_CREATE = """async name => {
    const body = JSON.stringify({name});
    const headers = {"Content-Type": "application/json"};
    return (await fetch("/ajax-api/2.0/mlflow/experiments/create", {method: "POST", headers, body})).status;
}"""


@pytest.fixture(scope="module")
def inside(platform: Platform, someone: Callable[[str], Person]) -> Callable[[str], Person]:
    """Whoever has logged in to MLflow, once."""

    @cache
    def log_in(user: str) -> Person:
        return entered(someone(f"mlflow {user}"), platform, user)

    return log_in


def entered(person: Person, platform: Platform, user: str) -> Person:
    person.open(platform.url)
    person.log_in(user)
    expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
    return person


def thief(person: Person, platform: Platform) -> httpx.Client:
    """Somebody elsewhere, with a copy of a person's session cookie."""
    kept = {name: value for name, value in person.cookies().items() if name.startswith("mlflow-platform")}
    assert len(kept) == 1, sorted(kept)
    return httpx.Client(base_url=platform.url, cookies=kept, timeout=30, trust_env=False)


def experiments(platform: Platform) -> set[str]:
    search = {"max_results": 1000}
    answer = platform.ask(platform.token("ada"), "POST", "/api/2.0/mlflow/experiments/search", json=search)
    return {it["name"] for it in answer.json()["experiments"]}


def test_a_link_to_a_run_leads_there_through_the_login(
    platform: Platform, trained: str, someone: Callable[[str], Person]
):
    link = re.findall(r"http\S+/runs/\w+", trained)[0]
    dev = someone("mlflow link")
    dev.open(link)
    dev.log_in("dev")
    expect(dev.page).to_have_url(re.compile(re.escape(link)))
    expect(dev.page.get_by_text("accuracy").first).to_be_visible()
    expect(dev.page.locator("form").filter(has_text="Log out")).to_contain_text("dev")
    dev.saw("run")
    assert dev.elsewhere() == set()


def test_an_artifact_is_shown(platform: Platform, trained: str, inside: Callable[[str], Person]):
    link = re.findall(r"http\S+/runs/\w+", trained)[0]
    experiment, run = re.findall(r"experiments/(\d+)/runs/(\w+)", link)[0]
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    s3.put_object(Bucket=bucket, Key=f"{experiment}/{run}/artifacts/notes.txt", Body=b"seven swans a-swimming")
    person = inside("dev")
    person.open(f"{link}/artifacts/notes.txt")
    expect(person.page.get_by_text("seven swans a-swimming")).to_be_visible()
    person.saw("artifact")


def test_who_has_logged_in_to_mlflow_needs_no_password_for_the_console(
    platform: Platform, inside: Callable[[str], Person]
):
    person = inside("dev")
    person.open(platform.outputs["minio_console_url"])
    person.page.get_by_role("button", name="Keycloak").click()
    expect(person.page.get_by_role("button", name="Sign Out")).to_be_visible()
    person.saw("console")


def test_a_viewer_sees_experiments_and_creates_none(platform: Platform, trained: str, inside: Callable[[str], Person]):
    person = inside("vera")
    person.open(f"{platform.url}/#/experiments")
    expect(person.page.get_by_role("link", name="digits")).to_be_visible()
    person.page.get_by_role("button", name="Create", exact=True).click()
    dialog = person.page.get_by_role("dialog")
    dialog.get_by_role("textbox").first.fill("a viewer's")
    with person.page.expect_response(re.compile("/experiments/create$")) as answer:
        dialog.get_by_role("button", name="Create", exact=True).click()
    assert answer.value.status == 403
    person.saw("not created")
    assert "a viewer's" not in experiments(platform)


def test_whoever_is_in_no_team_is_told_so_and_may_come_back_as_somebody_else(
    platform: Platform, someone: Callable[[str], Person]
):
    guest = someone("mlflow guest")
    guest.open(platform.url)
    guest.log_in("guest")
    expect(guest.page.get_by_text("team")).to_be_visible()
    guest.saw("refused")
    guest.page.get_by_role("button", name="Log out").click()
    expect(guest.page.locator(_PASSWORD)).to_be_visible()


def test_a_logout_ends_the_session_and_the_next_login_asks_for_the_password(
    platform: Platform, someone: Callable[[str], Person]
):
    person = entered(someone("mlflow logout"), platform, "dev")
    with thief(person, platform) as other:
        assert other.get(_WHO).json()["username"] == "dev"
        person.page.get_by_role("button", name="Log out").click()
        expect(person.page.locator(_PASSWORD)).to_be_visible()
        person.saw("logged out")
        assert other.get(_WHO).status_code == 401


def test_a_logout_at_keycloak_ends_mlflows_session(platform: Platform, someone: Callable[[str], Person]):
    person = entered(someone("mlflow ended"), platform, "ada")
    with thief(person, platform) as other:
        assert other.get(_WHO).status_code == 200
        admin_port = platform.stack.ports["admin_keycloak"]
        with keycloak.administration(admin_port, platform.outputs["keycloak_admin"]) as administrator:
            keycloak.end_newest_session(administrator, "ada")
        assert other.get(_WHO).status_code == 401
    person.page.reload()
    expect(person.page.locator(_PASSWORD)).to_be_visible()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])  # of the same site, to which cookies go; and of another
@pytest.mark.parametrize("way", ["form", "fetch"])
def test_a_page_of_another_origin_changes_nothing_in_ones_name(
    platform: Platform,
    inside: Callable[[str], Person],
    host: str,
    way: str,
):
    person, before = inside("dev"), experiments(platform)
    target = f"{platform.url}/ajax-api/2.0/mlflow/experiments/create"
    name = f"forged by {way} from {host}"
    scripts = {
        # A form that sends JSON: its one field's name and value are the two halves of an object.
        "form": f"""<form method=post enctype=text/plain action={target}>
            <input name='{{"name": "{name}", "x": "' value='"}}'></form><script>document.forms[0].submit()</script>""",
        "fetch": f"""<script>fetch("{target}", {{method: "POST", mode: "no-cors", credentials: "include",
            body: {json.dumps(json.dumps({"name": name}))}}})</script>""",
    }
    with page_elsewhere(scripts[way]) as port, person.page.expect_response(target) as answer:
        person.open(f"http://{host}:{port}/")
    assert answer.value.status in (401, 403)
    assert experiments(platform) == before
    # The very same request of MLflow's own page would have been one of dev's.
    person.open(platform.url)
    assert person.page.evaluate(_CREATE, f"made by {way} at {host}") == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_another_origin_neither_reads_nor_logs_out(
    platform: Platform, inside: Callable[[str], Person], host: str
):
    person = inside("dev")
    read = f"""fetch("{platform.url}/oidc/session", {{credentials: "include"}})
        .then(answer => answer.text()).then(text => document.title = text, () => document.title = "unreadable")"""
    with page_elsewhere(f"<script>{read}</script>") as port:
        person.open(f"http://{host}:{port}/")
        expect(person.page).to_have_title("unreadable")
    form = f"<form method=post action={platform.url}/oidc/logout></form><script>document.forms[0].submit()</script>"
    with page_elsewhere(form) as port, person.page.expect_response(f"{platform.url}/oidc/logout") as answer:
        person.open(f"http://{host}:{port}/")
    assert answer.value.status == 403
    with thief(person, platform) as other:
        assert other.get(_WHO).status_code == 200
