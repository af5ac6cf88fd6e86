"""Client scopes: what the tokens of a client say of their bearer, and whom they are for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_keycloak.openid as openid
from pulumi import Input, Output, ResourceOptions

from components.people import POLICY, TEAM

# What a token says of its bearer; a client's list of scopes replaces Keycloak's own defaults. Of these `roles` is left
# out: by it a token would be good for Keycloak's own API of accounts, too. And `web-origins`, which nothing here reads.
_BUILT_IN = ["acr", "basic", "email", "profile"]
SERVICE_SCOPE = "service_account"
"""Keycloak gives it to a service client at every update, so it is listed."""


@dataclass(frozen=True, kw_only=True)
class Scopes:
    """Makes them in a realm."""

    prefix: str  # of the resources' names
    realm_id: Output[str]
    opts: ResourceOptions

    def tracking(self, client: openid.Client, audience: str) -> openid.ClientScope:
        """Makes a token good for MLflow: its audience, and the user's teams."""
        scope = self._scope(client, audience)
        self._claim(scope, "groups", TEAM)
        return scope

    def storage(self, client: openid.Client, audience: str) -> openid.ClientScope:
        """Makes a token good for MinIO: its audience, and the policies of all groups of the user."""
        scope = self._scope(client, audience)
        self._claim(scope, "policy", POLICY)
        return scope

    def _claim(self, scope: openid.ClientScope, name: str, attribute: str) -> None:
        """A claim that lists what this attribute says in all groups of the user.

        Not Keycloak's list of groups, in which a group of the same name anywhere in the tree would be a team, and which
        is longer than MinIO's headers for somebody in hundreds of groups.
        """
        openid.UserAttributeProtocolMapper(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            client_scope_id=scope.id,
            name=attribute,
            claim_name=name,
            user_attribute=attribute,
            multivalued=True,
            aggregate_attributes=True,
            opts=self.opts,
        )

    def _scope(self, client: openid.Client, audience: str) -> openid.ClientScope:
        scope = openid.ClientScope(
            f"{self.prefix}-{audience}",
            realm_id=self.realm_id,
            name=f"{audience}-authorization",
            include_in_token_scope=False,
            opts=self.opts,
        )
        openid.AudienceProtocolMapper(
            f"{self.prefix}-audience-{audience}",
            realm_id=self.realm_id,
            client_scope_id=scope.id,
            name=f"audience-{audience}",
            included_client_audience=client.client_id,
            add_to_id_token=False,
            opts=self.opts,
        )
        return scope

    def of(self, name: str, client: openid.Client, default: Sequence[Input[str]], optional: Sequence[str] = ()) -> None:
        """All that the client's tokens say, and all that it may ask for besides: unsaid, both were Keycloak's lists."""
        openid.ClientDefaultScopes(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            client_id=client.id,
            default_scopes=[*_BUILT_IN, *default],
            opts=self.opts,
        )
        openid.ClientOptionalScopes(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            client_id=client.id,
            optional_scopes=list(optional),
            opts=self.opts,
        )
