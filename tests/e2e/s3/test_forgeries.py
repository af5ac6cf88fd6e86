"""Whatever lacks a valid signature writes, lists, reads and deletes nothing, however it is sent."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.s3.forging import BODY_HASHES, EXTRAS, FORGERIES, WAYS, requests
from tests.e2e.s3.signing import CONTENT, V4, Door, Request
from tests.e2e.s3.target import Canary, Target

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_sign_is_let_in_so_that_the_forgeries_are_of_something(
    target: Target, canary: Canary, door: Door, way: str
):
    key = f"{canary.prefix}/{way.replace(' ', '-').replace(',', '')}"
    put = Request("PUT", f"/{door.bucket}/{key}", body=b"signed")
    status, said = door.send(WAYS[way](put, target.service, door))
    assert status == 200, said
    assert key in target.names()


def test_a_form_is_let_in_with_a_signed_policy_and_not_with_another(target: Target, canary: Canary, door: Door):
    key = f"{canary.prefix}/by-form"
    form = V4(target.service, door).form(key, b"signed")
    another = "nobody" if target.root == target.service else target.root.access
    before = target.contents()
    for name, value in (
        (b"x-amz-signature", b"0" * 64),
        (b"x-amz-credential", f"{another}/{V4(target.root, door).scope}".encode()),
        (b"policy", b"e30="),
        (b"key", b"elsewhere"),
    ):
        opening = b'name="%s"\r\n\r\n' % name
        start = form.body.index(opening) + len(opening)
        end = form.body.index(b"\r\n", start)
        body = form.body[:start] + value + form.body[end:]
        status, said = door.send(Request("POST", form.path, headers=form.headers, body=body))
        assert status >= 400, said
    assert target.contents() == before
    assert door.send(form)[0] == 204
    assert key in target.names()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_without_a_valid_signature_nothing_happens(target: Target, canary: Canary, data: st.DataObject):
    """All combinations of what is asked, how it was signed, how that was spoilt, and what stands beside it."""
    door = target.doors[data.draw(st.sampled_from(sorted(target.doors)), "door")]
    kinds = requests(canary, door)
    asked = kinds[data.draw(st.sampled_from(sorted(kinds)), "request")]
    sign = WAYS[data.draw(st.sampled_from(sorted(WAYS)), "way")]
    spoil = FORGERIES[data.draw(st.sampled_from(sorted(FORGERIES)), "forgery")]
    claimed = data.draw(st.sampled_from([target.root, target.service]), "whose")
    content = data.draw(st.sampled_from(BODY_HASHES) | st.none(), "body hash")
    extras = data.draw(st.lists(st.sampled_from(EXTRAS), max_size=2), "extras")

    forged = spoil(sign(asked, claimed, door))
    if content is not None:
        kept = tuple(pair for pair in forged.headers if pair[0] != CONTENT)
        forged = Request(forged.method, forged.path, forged.query, (*kept, (CONTENT, content)), forged.body)
    before = target.contents()
    status, said = door.send(forged.with_headers(*extras))

    # Of several deletions each is refused by itself, in an answer that is 200 as a whole.
    assert status >= 400 or (b"<DeleteResult" in said and b"<Deleted>" not in said), said
    assert canary.secret.encode() not in said
    assert canary.key.encode() not in said.replace(f"/{door.bucket}/{canary.key}".encode(), b"").replace(
        f"<Key>{canary.key}</Key>".encode(), b""
    )
    assert target.contents() == before
