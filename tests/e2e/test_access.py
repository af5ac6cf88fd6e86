"""Who may do what, as the running servers have it: also of whom the stack file says nothing."""

import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e import keycloak
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e


@pytest.fixture
def zoe(platform: Platform) -> Iterator[str]:
    """Somebody whom only Keycloak's administrator knows, in a group below a team's that says nothing itself."""
    port = platform.stack.ports["admin_keycloak"]
    with keycloak.administration(port, platform.outputs["keycloak_admin"]) as admin:
        place = admin.post("/users", json={"username": "zoë@example.org", "enabled": True}).headers["location"]
        below = _group_below(admin, "model-developers", "Forschung & Lehre/Süd")
        assert admin.put(f"{place}/groups/{below}").status_code == 204
        yield "zoë@example.org"
        assert admin.delete(place).status_code == 204
        assert admin.delete(f"/groups/{below}").status_code == 204


def _group_below(admin: httpx.Client, team: str, name: str) -> str:
    [above] = admin.get("/groups", params={"search": team, "exact": "true"}).json()
    return admin.post(f"/groups/{above['id']}/children", json={"name": name}).json()["id"]


def access(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    asked = platform.stack.platform("access", *arguments)
    assert platform.outputs["keycloak_admin"]["password"] not in asked.stdout + asked.stderr
    return asked


def test_an_administrator_and_a_service_client_have_what_their_teams_have(platform: Platform):
    ada, ci = (access(platform, name).stdout for name in ("ada", "ci"))
    assert "ADMIN" in ada
    assert "/platform-admins" in ada
    assert "administer" in ada
    assert ci.startswith("service-account-ci")
    assert "administer" not in ci


def test_whoever_was_put_below_a_team_by_hand_has_its_rights_and_tokens_agree(platform: Platform, zoe: str):
    (title, *rows) = access(platform, zoe).stdout.splitlines()
    assert title.split() == [zoe, "MAY", "THROUGH"]
    assert any(row.startswith("workspace default") and "EDIT" in row for row in rows), rows
    assert all("/model-developers/Forschung & Lehre" in row for row in rows)
    assert zoe in access(platform, "--room", "default").stdout


def test_who_is_in_no_team_and_what_is_not_there_is_said(platform: Platform):
    assert "guest is in no team" in access(platform, "guest").stdout
    for arguments, why in ((["nobody"], "Keycloak knows nobody"), (["--room", "attic"], "there are: default")):
        refused = access(platform, *arguments)
        assert refused.returncode == 1
        assert why in refused.stderr
        assert "Traceback" not in refused.stderr
