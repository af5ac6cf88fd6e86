"""The realm's keys: rotation, a silent realm, and ids that nobody issued."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.keys import COOL_DOWN, MAX_AGE, KeysUnavailable, SigningKeys, signing_keys
from mlflow_platform.server.identity.tokens import TokenRefused, TokenVerifier, bearer_token

from tests.plugin.idp import Backstage
from tests.plugin.no_network import OFFLINE, SETTINGS, Offline


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def backstage() -> Iterator[Backstage]:
    backstage = Backstage()
    yield backstage
    backstage.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(backstage: Backstage, clock: Clock) -> SigningKeys:
    return SigningKeys(f"{backstage.url}/realms/test", clock)


def test_many_waiters_share_one_fetch(backstage: Backstage, keys: SigningKeys) -> None:
    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(keys.get("first") for _ in range(50)))

    assert None not in asyncio.run(all_at_once())
    assert backstage.realm.asked == 1


def test_a_rotated_key_is_found_and_the_old_one_stays(backstage: Backstage, keys: SigningKeys, clock: Clock) -> None:
    async def scenario() -> None:
        assert await keys.get("first")
        backstage.realm.rotate("second")
        clock.now += COOL_DOWN + 1
        assert await keys.get("second")
        assert await keys.get("first")

    asyncio.run(scenario())
    assert backstage.realm.asked == 2


def test_made_up_ids_do_not_hammer_the_realm(backstage: Backstage, keys: SigningKeys, clock: Clock) -> None:
    async def scenario() -> None:
        for number in range(200):
            assert await keys.get(f"junk-{number}") is None
        clock.now += COOL_DOWN + 1
        for number in range(200):
            assert await keys.get(f"junk-{number}") is None

    asyncio.run(scenario())
    assert backstage.realm.asked == 2


def test_known_keys_serve_while_the_realm_is_silent(backstage: Backstage, keys: SigningKeys, clock: Clock) -> None:
    async def scenario() -> None:
        assert await keys.get("first")
        backstage.realm.answers = False
        clock.now += MAX_AGE + 1
        assert await keys.get("first")
        await asyncio.sleep(0.2)  # the refresh fails meanwhile
        assert await keys.get("first")

    asyncio.run(scenario())


def test_a_key_that_may_be_new_is_not_refused_while_nobody_can_tell(
    backstage: Backstage, keys: SigningKeys, clock: Clock
) -> None:
    async def scenario() -> None:
        assert await keys.get("first")
        backstage.realm.rotate("second")
        backstage.realm.answers = False
        clock.now += COOL_DOWN + 1
        for _ in range(2):  # asks in vain, then leaves it alone for a moment
            with pytest.raises(KeysUnavailable):
                await keys.get("second")
        backstage.realm.answers = True
        clock.now += COOL_DOWN + 1
        assert await keys.get("second")
        assert await keys.get("unknown") is None

    asyncio.run(scenario())


def test_before_the_first_key_nobody_can_tell(backstage: Backstage, keys: SigningKeys) -> None:
    backstage.realm.answers = False
    with pytest.raises(KeysUnavailable):
        asyncio.run(keys.get("first"))


def test_a_withdrawn_key_stops_counting(backstage: Backstage, keys: SigningKeys, clock: Clock) -> None:
    async def scenario() -> None:
        assert await keys.get("first")
        backstage.realm.rotate("second")
        backstage.realm.keys.pop()
        clock.now += MAX_AGE + 1
        await keys.get("first")
        await asyncio.sleep(0.3)
        assert await keys.get("first") is None

    asyncio.run(scenario())


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": [1, {}, {"kty": "oct", "k": "eA"}]}])
def test_a_document_without_a_signing_key_is_an_error(document: object) -> None:
    with pytest.raises(ValueError, match="no signing key"):
        signing_keys(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


def verify(token: str) -> Identity | None:
    try:
        return asyncio.run(TokenVerifier(SETTINGS, Offline("http://127.0.0.1:9")).verify(token))
    except TokenRefused:
        return None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_header_is_a_token_or_a_refusal(values: list[bytes]) -> None:
    try:
        token = bearer_token(values)
    except TokenRefused:
        return
    assert token.isascii()
    assert verify(token) is None


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abcdefgEJ0123-_.={}", max_size=120))
def test_any_text_is_refused_without_another_error(token: str) -> None:
    assert verify(token) is None


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["iss", "aud", "typ", "exp", "iat", "nbf", "azp", "preferred_username", "groups", "policy"]), JSON
)
def test_any_value_of_any_claim_is_an_identity_or_a_refusal(claim: str, value: object) -> None:
    who = verify(OFFLINE.realm.sign({**OFFLINE.realm.claims(), claim: value}))
    assert who is None or (who.username and who.teams <= {"editors"})
