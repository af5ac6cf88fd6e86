"""The mails by which people are invited and get over a forgotten password, and who reads them on the way."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from offline.providers.base import ProviderError
from tests.authority import Pair, leaf

from ..harness import Plugin
from .conftest import Server
from .post import Post, post_office, text
from .world import REALM, USER

Invite = Callable[..., None]


@pytest.fixture
def invite(plugin: Plugin, server: Server, prefix: str) -> Iterator[Callable[..., None]]:
    """Sends somebody a link to set a password, from a realm that sends by this server."""
    made = []

    def sent(post: Post, **smtp: Any) -> None:
        given = {"host": server.machine, "port": str(post.port), "from": "ml@example.org", **smtp}
        realm = plugin.create(REALM, {"realm": f"{prefix}-mail-{len(made)}", "smtpServer": given})
        made.append(realm)
        user = plugin.create(
            USER, {"realmId": realm.id, "username": "anna", "email": "anna@example.org", "enabled": True}
        )
        plugin.client.put(realm.id, "users", user.id, "execute-actions-email", body=["UPDATE_PASSWORD"])

    yield sent
    for realm in made:
        plugin.delete(realm)


def test_an_invitation_arrives_and_the_password_goes_through_tls_alone(invite: Invite, server: Server, authority: Pair):
    with post_office(server.machine, leaf(authority, [server.machine]).context()) as post:
        invite(post, ssl=True, auth={"username": "ml", "password": "smtp-secret"})
    assert post.logins == [("ml", "smtp-secret")]
    (message,) = post.messages
    assert "To: anna@example.org" in message
    assert "/login-actions/action-token?key=" in text(message)


@pytest.mark.parametrize("case", ["by an authority that nobody knows", "of another server"])
def test_nothing_is_sent_to_a_server_with_a_certificate(case: str, invite: Invite, server: Server, authority: Pair):
    of_another = case == "of another server"
    certificate = leaf(authority, ["mail.example.org"]) if of_another else leaf(None, [server.machine])
    with (
        post_office(server.machine, certificate.context()) as post,
        pytest.raises(ProviderError, match="refused to update"),
    ):
        invite(post, ssl=True, auth={"username": "ml", "password": "smtp-secret"})
    assert (post.logins, post.messages) == ([], [])


def test_a_server_without_starttls_gets_the_password_in_the_clear_which_is_why_settings_refuse_it_for_others(
    invite: Invite, server: Server
):
    """CVE-2026-107121. When Keycloak no longer does, `smtp.encryption` may let `starttls` go to any server."""
    with post_office(server.machine) as post:
        invite(post, starttls=True, auth={"username": "ml", "password": "smtp-secret"})
    assert post.logins == [("ml", "smtp-secret")]
