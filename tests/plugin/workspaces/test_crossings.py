"""Two thousand requests that are drawn, beside a model."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plugin.workspaces.building import PEOPLE, ROOMS, Building, rights
from tests.plugin.workspaces.drawn import LISTS, READS, WRITES, Request, may
from tests.plugin.workspaces.things import Things

DRAWN = 2000


def sent(building: Building, person: str, room: str | None, request: Request) -> tuple[int, str]:
    answer = building.call(person, room, *request)
    return answer.status_code, answer.text


PERSON, ROOM = st.sampled_from([*PEOPLE]), st.sampled_from([*ROOMS, None, "video"])
DRAWING = settings(
    max_examples=DRAWN // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@DRAWING
@given(person=PERSON, room=ROOM, thing=st.sampled_from(ROOMS), write=st.booleans(), data=st.data())
def test_who_gets_a_thing_is_in_its_room(
    building: Building, rooms: dict[str, Things], person: str, room: str | None, thing: str, write: bool, data: Any
):
    kind = data.draw(st.sampled_from([*(WRITES if write else READS)]))
    status, text = sent(building, person, room, (WRITES if write else READS)[kind](rooms[thing].ids))
    assert (status == 200) == may(rights(person), ROOMS, room, thing, write=write), (status, text[:300])
    if status != 200:
        assert rooms[thing].content not in text
        assert status in (400, 403, 404), text


@DRAWING
@given(person=PERSON, room=ROOM, kind=st.sampled_from([*LISTS]))
def test_a_list_has_what_is_in_the_room_and_of_no_other(
    building: Building, rooms: dict[str, Things], person: str, room: str | None, kind: str
):
    status, text = sent(building, person, room, LISTS[kind])
    assert (status == 200) == may(rights(person), ROOMS, room, None, write=False), (status, text[:300])
    if status == 200:
        asked = room or next(own for own in ROOMS if own in rights(person))
        assert {name for name, its in rooms.items() if its.mark in text or its.content in text} == {asked}
