"""A stack under the real CLI."""

import secrets
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_keycloak as keycloak
import pytest

from ..stacks import Stack
from .world import BUILT_IN_SCOPES, administrator, configured


@pytest.mark.slow  # e2e takes the whole program through the same
def test_a_stack_comes_up_stays_still_and_goes(config: dict[str, Any], prefix: str, pulumi_stack: Callable[..., Stack]):
    password, client_secret = f"pw-{secrets.token_hex(8)}", f"cs-{secrets.token_hex(8)}"

    def program() -> None:
        provider = administrator(config)
        _declare(prefix, pulumi.ResourceOptions(provider=provider), password, client_secret)

    stack = pulumi_stack(program)
    assert stack.up()["create"] == 17
    assert stack.up() == {"same": 17}
    assert stack.refresh() == {"same": 17}
    assert stack.preview() == {"same": 17}
    state = "".join(path.read_text() for path in (stack.directory / "backend").rglob("*.json"))
    assert f"{prefix}-stack" in state
    generated = stack.outputs()
    for secret in (password, client_secret, config["password"], *generated.values()):
        assert secret not in state
    stack.destroy()
    assert configured(**config).client.get(f"{prefix}-stack") is None


def _declare(prefix: str, opts: pulumi.ResourceOptions, password: str, client_secret: str) -> None:
    """One of everything, related as in the platform."""
    realm = keycloak.Realm(
        "realm",
        realm=f"{prefix}-stack",
        enabled=True,
        sso_session_idle_timeout="8h",
        security_defenses=keycloak.RealmSecurityDefensesArgs(
            brute_force_detection=keycloak.RealmSecurityDefensesBruteForceDetectionArgs(max_login_failures=10)
        ),
        opts=opts,
    )
    server = keycloak.openid.Client(
        "server",
        realm_id=realm.id,
        client_id="server",
        access_type="CONFIDENTIAL",
        client_secret=pulumi.Output.secret(client_secret),
        standard_flow_enabled=True,
        valid_redirect_uris=["http://localhost:5000/callback", "http://localhost:5000/other"],
        frontchannel_logout_enabled=False,
        backchannel_logout_url="http://mlflow:5000/oidc/backchannel-logout",
        opts=opts,
    )
    job = keycloak.openid.Client(
        "job",
        realm_id=realm.id,
        client_id="job",
        access_type="CONFIDENTIAL",
        service_accounts_enabled=True,
        opts=opts,
    )
    pulumi.export("job_secret", job.client_secret)
    scope = keycloak.openid.ClientScope("scope", realm_id=realm.id, name="access", opts=opts)
    of_scope: dict[str, Any] = {"realm_id": realm.id, "client_scope_id": scope.id, "opts": opts}
    keycloak.openid.UserAttributeProtocolMapper(
        "policy", user_attribute="policy", claim_name="policy", multivalued=True, aggregate_attributes=True, **of_scope
    )
    keycloak.openid.GroupMembershipProtocolMapper("groups", claim_name="groups", full_path=False, **of_scope)
    keycloak.openid.AudienceProtocolMapper("aud", included_client_audience=server.client_id, **of_scope)
    keycloak.openid.ClientDefaultScopes(
        "scopes",
        realm_id=realm.id,
        client_id=server.id,
        default_scopes=[*BUILT_IN_SCOPES, scope.name],
        opts=opts,
    )
    keycloak.openid.ClientDefaultScopes(
        "job-scopes", realm_id=realm.id, client_id=job.id, default_scopes=["basic", "service_account"], opts=opts
    )
    keycloak.openid.ClientOptionalScopes(
        "job-optional-scopes", realm_id=realm.id, client_id=job.id, optional_scopes=[], opts=opts
    )
    group = keycloak.Group("group", realm_id=realm.id, attributes={"policy": "readwrite##diagnostics"}, opts=opts)
    user = keycloak.User(
        "user",
        realm_id=realm.id,
        username="frank",
        email="frank@example.org",
        initial_password=keycloak.UserInitialPasswordArgs(value=pulumi.Output.secret(password)),
        opts=opts,
    )
    members = [user.username, pulumi.Output.concat("service-account-", job.client_id)]
    keycloak.GroupMemberships("members", realm_id=realm.id, group_id=group.id, members=members, opts=opts)
    jobs = keycloak.Group("jobs", realm_id=realm.id, opts=opts)
    account = job.service_account_user_id
    keycloak.UserGroups(
        "job-groups", realm_id=realm.id, user_id=account, group_ids=[jobs.id], exhaustive=False, opts=opts
    )
