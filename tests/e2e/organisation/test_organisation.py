"""What an organisation sees of its platform: each person her rooms, and nobody anything else."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from tests.conformance.keycloak.phone import Phone
from tests.e2e.browser import Person
from tests.e2e.conftest import CLIENT, Platform
from tests.e2e.organisation.conftest import (
    CAREFUL,
    DIRECTORY,
    OTHERS,
    REMEMBERED,
    ROOMS,
    TOKEN,
    Organisation,
    rights,
)
from tests.e2e.workspaces.test_rooms import HEADER, LOG
from tests.plugin.workspaces.drawn import LISTS, READS, WRITES, Request, may
from tests.plugin.workspaces.things import Things, furnish

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

WITH_PASSWORD_ALONE = [person for person in DIRECTORY if not set(DIRECTORY[person]) & set(CAREFUL)]
DRAWN = 2000


class Asked:
    """The platform, asked by a person in a room. No dataclass: Hypothesis would print its tokens."""

    def __init__(self, platform: Platform):
        self._platform = platform
        self._tokens: dict[str, tuple[float, str]] = {}
        self._http = httpx.Client(base_url=platform.url, timeout=60, trust_env=False)

    def token(self, person: str) -> str:
        since, token = self._tokens.get(person, (0.0, ""))
        if time.monotonic() - since > TOKEN / 2:
            token = self._platform.token(person)
            self._tokens[person] = (time.monotonic(), token)
        return token

    def call(self, person: str, room: str | None, request: Request) -> httpx.Response:
        method, path, known = request
        headers = {"Authorization": f"Bearer {self.token(person)}", **({HEADER: room} if room else {})}
        where: Any = {"params": known} if method == "GET" else {"json": known}
        return self._http.request(method, path, headers=headers, **where)

    def done(self, person: str, room: str, path: str, *, method: str = "POST", **body: Any) -> Any:
        """All that is made, the administrator makes."""
        answer = self.call("ada", room, (method, path, body))
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()


@pytest.fixture(scope="module")
def asked(organisation: Organisation) -> Asked:
    return Asked(organisation.platform)


@pytest.fixture(scope="module")
def rooms(asked: Asked) -> dict[str, Things]:
    return {room: furnish(asked, room) for room in ROOMS}


@pytest.fixture
def at_the_page(organisation: Organisation, browser: Browser) -> Iterator[Callable[[str], Person]]:
    """Whoever opens MLflow's page and logs in, in the way that is hers."""
    people: list[Person] = []

    def opened(name: str) -> Person:
        person = Person(browser, organisation.platform.outputs["dev_users"], f"organisation {name}")
        people.append(person)
        person.open(organisation.platform.url)
        if name in OTHERS:
            person.page.get_by_role("link", name="The other company").click()
            expect(person.page).to_have_url(re.compile(re.escape(organisation.other)))
        person.log_in(name)
        return person

    yield opened
    for person in people:
        organisation.platform.handed_out |= set(person.cookies().values())
        person.leave()


def rooms_seen(person: Person) -> set[str]:
    """What the browser's session gets for the list of rooms; that of somebody in no team gets nothing."""
    expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
    answer = person.page.request.get(f"{person.page.evaluate('origin')}/ajax-api/3.0/mlflow/workspaces")
    if answer.status == 403:
        expect(person.page.get_by_text("None of your groups is a team of this platform")).to_be_visible()
        return set()
    return {room["name"] for room in answer.json()["workspaces"]}


@pytest.mark.parametrize("name", [*WITH_PASSWORD_ALONE, *OTHERS])
def test_the_browser_shows_each_only_their_rooms(at_the_page: Callable[[str], Person], name: str):
    person = at_the_page(name)
    assert rooms_seen(person) == set(rights(name))
    if len(rights(name)) == 1:
        expect(person.page).to_have_url(re.compile(rf"workspace={next(iter(rights(name)))}"))
    for room in rights(name) if len(rights(name)) > 1 else ():
        expect(person.page.get_by_role("link", name=room, exact=True)).to_be_visible()


def test_who_needs_a_code_sets_it_up_at_the_first_login_and_is_asked_at_the_next(at_the_page: Callable[[str], Person]):
    phone, first = Phone(), at_the_page("sorgfalt").page
    first.locator("#totp").fill(phone.shown(first.locator("#totpSecret").get_attribute("value") or ""))
    first.locator("#saveTOTPBtn").click()
    expect(first).to_have_url(re.compile("workspace=robotics"))

    second = at_the_page("sorgfalt")
    second.page.locator("#otp").fill(phone.code())
    second.page.locator("#kc-login").click()
    assert rooms_seen(second) == {"robotics"}


def test_who_comes_by_the_other_company_trains_in_her_room(
    organisation: Organisation, at_the_page: Callable[[str], Person]
):
    platform, home = organisation.platform, organisation.platform.stack.backend.parent / "home-of-fiona"
    environment = platform.environment(XDG_STATE_HOME=str(home), HOME=str(home))
    page = at_the_page("fiona").page
    home.mkdir()
    with subprocess.Popen([CLIENT, "login", "--device"], env=environment, stderr=subprocess.PIPE, text=True) as login:
        assert login.stderr
        page.goto(login.stderr.readline().split()[-1])
        page.get_by_role("button", name="Yes").click()
        said = login.communicate(timeout=60)[1]
    assert "as fiona" in said
    logged = json.loads(platform.run([sys.executable, "-c", LOG], environment).splitlines()[-1])
    assert (logged["user"], logged["text"]) == ("fiona", "only theirs")
    assert logged["place"].startswith("s3://mlflow/workspaces/vision/")


PERSON, ROOM = st.sampled_from(WITH_PASSWORD_ALONE), st.sampled_from([*ROOMS, None, "default", "video"])
ORDER = (*ROOMS, "default")
DRAWING = settings(
    max_examples=DRAWN // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
    database=None,
)


@DRAWING
@given(person=PERSON, room=ROOM, thing=st.sampled_from(ROOMS), write=st.booleans(), data=st.data())
def test_who_gets_a_thing_is_in_its_room(
    asked: Asked, rooms: dict[str, Things], person: str, room: str | None, thing: str, write: bool, data: Any
):
    kind = data.draw(st.sampled_from([*(WRITES if write else READS)]))
    answer = asked.call(person, room, (WRITES if write else READS)[kind](rooms[thing].ids))
    assert (answer.status_code == 200) == may(rights(person), ORDER, room, thing, write=write), answer.text[:300]
    if answer.status_code != 200:
        assert rooms[thing].content not in answer.text
        assert answer.status_code in (400, 403, 404), answer.text


@DRAWING
@given(person=PERSON, room=ROOM, kind=st.sampled_from([*LISTS]))
def test_a_list_has_what_is_in_the_room_and_of_no_other(
    asked: Asked, rooms: dict[str, Things], person: str, room: str | None, kind: str
):
    answer = asked.call(person, room, LISTS[kind])
    allowed = may(rights(person), ORDER, room, None, write=False)
    assert (answer.status_code == 200) == allowed, (answer.status_code, answer.text[:300])
    if allowed:
        meant = room or next(own for own in ORDER if own in rights(person))
        shown = {name for name, its in rooms.items() if its.mark in answer.text or its.content in answer.text}
        assert shown == {meant}


def test_a_second_look_finds_nothing_to_change(organisation: Organisation):
    for run in (
        organisation.platform.stack.preview,
        organisation.platform.stack.refresh,
        organisation.platform.stack.up,
    ):
        assert set(run()) == {"same"}, run.__name__


def test_who_leaves_a_group_has_lost_the_room_and_its_files_within_the_stacks_times(organisation: Organisation):
    platform, leaver = organisation.platform, "person01"
    (group,) = DIRECTORY[leaver]
    room = next(iter(rights(leaver)))
    token = platform.token(leaver)
    s3 = platform.s3(token)
    prefix = f"workspaces/{room}/"
    s3.put_object(Bucket="mlflow", Key=f"{prefix}of-a-leaver", Body=b"x")
    stay = [who for who, groups in DIRECTORY.items() if group in groups and who != leaver]
    organisation.directory.members(group, *stay)
    left = time.monotonic()
    time.sleep(REMEMBERED + 1)
    after = platform.token(leaver)
    asked = platform.ask(after, "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 10})
    assert asked.status_code == 403, asked.text
    assert platform.ask(after, "POST", "/api/2.0/mlflow-platform/session").status_code == 403
    time.sleep(max(0.0, left + REMEMBERED + TOKEN + 5 - time.monotonic()))
    assert (
        platform.ask(token, "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 10}).status_code == 401
    )
    with pytest.raises(ClientError):
        s3.list_objects_v2(Bucket="mlflow", Prefix=prefix)
    with pytest.raises(ClientError):
        s3.get_object(Bucket="mlflow", Key=f"{prefix}of-a-leaver")
