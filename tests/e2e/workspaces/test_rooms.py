"""Workspaces on the real servers: nobody has to say which, and nothing of one is seen from another."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Person
from tests.e2e.checkouts import until_well
from tests.e2e.conftest import CLIENT, Platform

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HEADER = "X-MLFLOW-WORKSPACE"
UNSEEN = (403, 404)  # MLflow's permissions do not tell the one from the other
LOG = """
import json, mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    mlflow.log_text("only theirs", "note.txt")
found = mlflow.get_run(run.info.run_id)
print(json.dumps({
    "run": found.info.run_id, "place": found.info.artifact_uri, "user": found.info.user_id,
    "text": mlflow.artifacts.load_text(found.info.artifact_uri + "/note.txt"),
}))
"""


def logged(platform: Platform, user: str, **variables: str) -> dict[str, str]:
    """What somebody logs who has set MLFLOW_TRACKING_URI and nothing else."""
    environment = {**platform.logged_in(user), **variables}
    return json.loads(platform.run([sys.executable, "-c", LOG], environment).splitlines()[-1])


@pytest.fixture(scope="module")
def theirs(rooms: Platform) -> dict[str, dict[str, str]]:
    """A run of each; nina, who may only read in the first of her two rooms, has chosen the other."""
    assert rooms.run([CLIENT, "workspace", "use", "nlp"], rooms.logged_in("nina")) == "  vision\n* nlp\n"
    return {user: logged(rooms, user) for user in ("dev", "vera", "nina")}


def run_of(platform: Platform, user: str, run: str, room: str | None = None) -> httpx.Response:
    headers = {HEADER: room} if room else {}
    return platform.ask(platform.token(user), "GET", f"/api/2.0/mlflow/runs/get?run_id={run}", headers=headers)


def test_who_is_in_one_room_works_there_without_saying_so(theirs: dict[str, dict[str, str]]):
    bucket = "s3://mlflow/workspaces"
    for user in ("vera", "nina", "dev"):
        assert theirs[user]["user"] == user
        assert theirs[user]["text"] == "only theirs"
    assert theirs["vera"]["place"].startswith(f"{bucket}/vision/")
    assert theirs["nina"]["place"].startswith(f"{bucket}/nlp/")
    assert theirs["dev"]["place"].startswith("s3://mlflow/0/")  # the experiment is older than the rooms


def test_what_was_there_before_stays_in_the_default_room_where_it_lies(older: tuple[Platform, str]):
    platform, printed = older
    run = printed.split()[1].rstrip(":")
    found = run_of(platform, "dev", run)
    assert found.status_code == 200, found.text
    place = found.json()["run"]["info"]["artifact_uri"].removeprefix("s3://mlflow/")
    assert "workspaces" not in place
    assert [key for key in platform.objects(platform.token("ada")) if key.startswith(place.split("/")[0])]
    for user in ("vera", "nina"):
        assert run_of(platform, user, run).status_code in UNSEEN


def test_a_run_of_another_room_is_not_found_and_the_room_is_refused(rooms: Platform, theirs: dict[str, dict[str, str]]):
    assert run_of(rooms, "vera", theirs["nina"]["run"]).status_code in UNSEEN
    assert run_of(rooms, "vera", theirs["nina"]["run"], "nlp").status_code == 403
    assert run_of(rooms, "nina", theirs["vera"]["run"], "nlp").status_code in UNSEEN
    assert run_of(rooms, "nina", theirs["vera"]["run"], "vision").status_code == 200  # she may read there
    assert run_of(rooms, "ada", theirs["vera"]["run"], "vision").status_code == 200
    assert run_of(rooms, "guest", theirs["vera"]["run"], "vision").status_code == 403


def key_of(place: str) -> str:
    return f"{place.removeprefix('s3://mlflow/')}/note.txt"


def refused(act: Any, **what: Any) -> str:
    with pytest.raises(ClientError) as caught:
        act(**what)
    return caught.value.response["Error"]["Code"]


def test_in_s3_each_reaches_the_room_that_is_his_by_key_by_list_and_by_link(
    rooms: Platform, theirs: dict[str, dict[str, str]]
):
    vera, nina = (rooms.s3(rooms.token(user), signature_version="s3v4") for user in ("vera", "nina"))
    of_vera, of_nina = key_of(theirs["vera"]["place"]), key_of(theirs["nina"]["place"])
    of_dev = key_of(theirs["dev"]["place"])
    assert vera.get_object(Bucket="mlflow", Key=of_vera)["Body"].read() == b"only theirs"
    assert nina.get_object(Bucket="mlflow", Key=of_vera)["Body"].read() == b"only theirs"
    for key in (of_nina, of_dev):
        assert refused(vera.get_object, Bucket="mlflow", Key=key) == "AccessDenied"
        assert refused(vera.put_object, Bucket="mlflow", Key=key, Body=b"") == "AccessDenied"
        assert refused(vera.delete_object, Bucket="mlflow", Key=key) == "AccessDenied"
        copy = {"Bucket": "mlflow", "Key": key}
        assert refused(vera.copy_object, Bucket="mlflow", Key=f"{of_vera}.copy", CopySource=copy) == "AccessDenied"
        link = vera.generate_presigned_url("get_object", Params={"Bucket": "mlflow", "Key": key})
        assert httpx.get(link, trust_env=False).status_code == 403
    assert refused(nina.put_object, Bucket="mlflow", Key=of_vera, Body=b"") == "AccessDenied"
    for prefix in ("", "workspaces/", "workspaces/nlp/", "0/", "workspaces/default/"):
        assert refused(vera.list_objects_v2, Bucket="mlflow", Prefix=prefix) == "AccessDenied"
    listed = vera.list_objects_v2(Bucket="mlflow", Prefix="workspaces/vision/")["Contents"]
    assert of_vera in {found["Key"] for found in listed}


def test_who_is_in_several_rooms_says_which_by_mlflows_own_variable(rooms: Platform, theirs: dict[str, dict[str, str]]):
    read = f"import mlflow; print(mlflow.get_run('{theirs['vera']['run']}').info.run_id)"
    environment = {**rooms.logged_in("nina"), "MLFLOW_WORKSPACE": "vision"}
    assert theirs["vera"]["run"] in rooms.run([sys.executable, "-c", read], environment)


def test_a_service_client_works_in_its_teams_room(rooms: Platform):
    printed = rooms.run([sys.executable, "-c", LOG], rooms.as_service("ci"))
    assert json.loads(printed.splitlines()[-1])["place"].startswith("s3://mlflow/workspaces/nlp/")


@pytest.fixture
def at_the_page(rooms: Platform, browser: Browser) -> Iterator[Callable[..., Person]]:
    """Whoever opens MLflow's page, or a link into it, and logs in."""
    people: list[Person] = []

    def opened(user: str, link: str = "") -> Person:
        person = Person(browser, rooms.outputs["dev_users"], f"workspaces {user}")
        people.append(person)
        person.open(f"{rooms.url}/{link}")
        person.log_in(user)
        expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
        return person

    yield opened
    for person in people:
        rooms.handed_out |= set(person.cookies().values())
        person.leave()


def test_who_has_one_room_is_in_it_when_the_page_opens(
    rooms: Platform, at_the_page: Callable[..., Person], theirs: dict[str, dict[str, str]]
):
    person = at_the_page("vera")
    expect(person.page).to_have_url(re.compile(r"#/\?workspace=vision$"))
    person.open(f"{rooms.url}/#/experiments?workspace=vision")
    expect(person.page.get_by_role("link", name="Default")).to_be_visible()
    person.saw("her experiments")


def test_who_has_several_sees_those_and_no_other(at_the_page: Callable[..., Person]):
    person = at_the_page("nina")
    page = person.page
    for name in ("nlp", "vision"):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    person.saw("her workspaces")
    assert page.get_by_role("link", name="default", exact=True).count() == 0


def test_a_link_to_a_run_that_names_no_room_leads_there(
    at_the_page: Callable[..., Person], theirs: dict[str, dict[str, str]]
):
    run, experiment = theirs["vera"]["run"], theirs["vera"]["place"].split("/")[-3]
    person = at_the_page("vera", f"#/experiments/{experiment}/runs/{run}")
    expect(person.page).to_have_url(re.compile(rf"/runs/{run}.*workspace=vision"))
    expect(person.page.get_by_text("loss").first).to_be_visible()
    person.saw("her run")


def test_a_room_of_others_shows_nothing(
    rooms: Platform, at_the_page: Callable[..., Person], theirs: dict[str, dict[str, str]]
):
    run, experiment = theirs["nina"]["run"], theirs["nina"]["place"].split("/")[-3]
    person = at_the_page("vera")
    answers: list[tuple[int, str]] = []
    person.page.on("response", lambda answer: answers.append((answer.status, answer.url)))
    person.open(f"{rooms.url}/#/experiments/{experiment}/runs/{run}?workspace=nlp")
    person.page.wait_for_timeout(3000)  # whatever it is going to ask for
    asked = [status for status, url in answers if "/mlflow/" in url and "server-info" not in url]
    assert 403 in asked
    assert "loss" not in person.page.inner_text("body")
    person.saw("a room of others")


def test_a_second_look_finds_nothing_to_change(rooms: Platform):
    for run in (rooms.stack.preview, rooms.stack.refresh, rooms.stack.up):
        assert set(run()) == {"same"}, run.__name__


def test_what_was_before_is_carried_over_and_no_object_moves(older: tuple[Platform, str]):
    """By MLflow's own command, in its container."""
    platform, printed = older
    run = printed.split()[1].rstrip(":")
    before = platform.objects(platform.token("ada"))
    move = ["--from", "default", "--to", "vision", "--resource-type", "experiments", "--name", "digits", "--yes"]
    retarget = ["--artifact-policy", "retarget", "--default-artifact-root", "s3://mlflow"]
    command = ["python", "-m", "mlflow_platform.server.db", "move-resources", *move, *retarget]
    platform.stack.run("mlflow", command)
    platform.stack.container("mlflow").restart(timeout=20)
    until_well(lambda: platform.stack.platform("status"))
    assert run_of(platform, "vera", run).status_code == 200
    assert run_of(platform, "dev", run).status_code in UNSEEN
    assert platform.objects(platform.token("ada")) == before


def test_an_operator_sees_who_gets_into_which_room_and_by_what(rooms: Platform):
    said = rooms.stack.platform("access", "--room", "vision").stdout.splitlines()
    assert [line.split() for line in said if "vision" in line] == [
        ["vera", "MANAGE", "/vision"],
        ["nina", "READ", "/vision-readers"],
    ]
    theirs = rooms.stack.platform("access", "nina").stdout
    assert "s3://mlflow/workspaces/vision/*" in theirs
    assert "/nlp" in theirs
