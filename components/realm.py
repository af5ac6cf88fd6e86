"""The realm: its clients, what their tokens say, and the groups that become rights."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak
import pulumi_keycloak.openid as openid
from pulumi import Output, ResourceOptions

from components.passwords import password

TRACKING_AUDIENCE = "mlflow"
_STORAGE_AUDIENCE = "minio"

# Keycloak's own default scopes: a client's list of scopes replaces them, so it has to name these too.
_BUILT_IN_SCOPES = ["acr", "basic", "email", "profile", "roles", "web-origins"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group: the MinIO policy that its members' tokens carry, and the dev users in it."""

    policy: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RealmArgs:
    """What a Realm needs. URLs are public ones, of MLflow and of MinIO's console, without a slash at the end."""

    provider: keycloak.Provider
    keep_data: bool  # whether the realm outlives the stack
    tracking_url: str
    console_url: str
    groups: Mapping[str, Group]
    dev_users: tuple[str, ...]


@dataclass(frozen=True)
class Client:
    """A confidential OpenID Connect client."""

    client_id: Output[str]
    secret: Output[str]  # secret


class Realm(pulumi.ComponentResource):
    """A token says which groups its bearer is in, which MinIO policies follow from them, and whom it is for."""

    name = "mlflow"
    console: Client
    login_client_id = "mlflow-client"
    passwords: dict[str, Output[str]]
    """Of the dev users, by name (secret)."""

    def __init__(self, name: str, args: RealmArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Realm", name, None, opts)
        self._prefix = name
        self._opts = ResourceOptions(parent=self, provider=args.provider)
        self._realm = self._settings(args.keep_data)

        tracking = self._tracking_client(args.tracking_url)
        console = self._console_client(args.console_url)
        login = self._login_client()
        tracking_scope = self._tracking_scope(tracking)
        storage_scope = self._storage_scope(console)
        self._default_scopes(TRACKING_AUDIENCE, tracking, tracking_scope, storage_scope)
        self._default_scopes(self.login_client_id, login, tracking_scope, storage_scope)
        self._default_scopes(_STORAGE_AUDIENCE, console, storage_scope)  # its tokens are of no use to MLflow
        self.passwords = {user: password(f"{name}-{user}", self) for user in args.dev_users}
        users = {user: self._user(user, secret) for user, secret in self.passwords.items()}
        for group, rights in args.groups.items():
            self._group(group, rights.policy, [users[member].username for member in rights.members])

        self.console = Client(console.client_id, console.client_secret)
        self.register_outputs({"name": self.name})

    def _settings(self, keep: bool) -> keycloak.Realm:
        # The realm alone is kept: a group or a user that leaves the stack file loses its rights in any stack.
        return keycloak.Realm(
            self._prefix,
            realm=self.name,
            display_name="MLflow",
            enabled=True,
            ssl_required="external",
            access_token_lifespan="5m0s",  # noqa: S106 - a duration
            sso_session_idle_timeout="8h0m0s",
            sso_session_max_lifespan="24h0m0s",
            security_defenses=keycloak.RealmSecurityDefensesArgs(
                # With Keycloak's own numbers; it watches nothing until it is told to.
                brute_force_detection=keycloak.RealmSecurityDefensesBruteForceDetectionArgs(
                    permanent_lockout=False, max_login_failures=30, wait_increment_seconds=60
                )
            ),
            opts=ResourceOptions.merge(self._opts, ResourceOptions(retain_on_delete=keep)),
        )

    def _tracking_client(self, url: str) -> openid.Client:
        """MLflow's own: its server logs browsers in."""
        return openid.Client(
            f"{self._prefix}-{TRACKING_AUDIENCE}",
            realm_id=self._realm.id,
            client_id=TRACKING_AUDIENCE,
            name="MLflow",
            access_type="CONFIDENTIAL",
            standard_flow_enabled=True,
            pkce_code_challenge_method="S256",
            valid_redirect_uris=[f"{url}/oidc/callback"],
            valid_post_logout_redirect_uris=[f"{url}/"],
            opts=self._opts,
        )

    def _console_client(self, url: str) -> openid.Client:
        """MinIO's. Its secret stays between the two servers: old MinIO takes tokens signed with it (CVE-2026-33322)."""
        return openid.Client(
            f"{self._prefix}-{_STORAGE_AUDIENCE}",
            realm_id=self._realm.id,
            client_id=_STORAGE_AUDIENCE,
            name="MinIO console",
            access_type="CONFIDENTIAL",
            standard_flow_enabled=True,
            valid_redirect_uris=[f"{url}/oauth_callback"],
            opts=self._opts,
        )

    def _login_client(self) -> openid.Client:
        """People's machines: a code typed elsewhere, or a browser that comes back to a port of loopback (RFC 8252)."""
        return openid.Client(
            f"{self._prefix}-{self.login_client_id}",
            realm_id=self._realm.id,
            client_id=self.login_client_id,
            name="MLflow client",
            access_type="PUBLIC",
            standard_flow_enabled=True,
            direct_access_grants_enabled=False,
            oauth2_device_authorization_grant_enabled=True,
            pkce_code_challenge_method="S256",
            valid_redirect_uris=["http://127.0.0.1/callback"],  # Keycloak lets the port of a loopback address differ
            opts=self._opts,
        )

    def _tracking_scope(self, client: openid.Client) -> openid.ClientScope:
        """Makes a token good for MLflow: its audience, and the groups that it decides by."""
        scope = self._scope(client, TRACKING_AUDIENCE)
        openid.GroupMembershipProtocolMapper(
            f"{self._prefix}-groups",
            realm_id=self._realm.id,
            client_scope_id=scope.id,
            name="groups",
            claim_name="groups",
            full_path=False,
            opts=self._opts,
        )
        return scope

    def _storage_scope(self, client: openid.Client) -> openid.ClientScope:
        """Makes a token good for MinIO: its audience, and the policies of all groups of the user."""
        scope = self._scope(client, _STORAGE_AUDIENCE)
        openid.UserAttributeProtocolMapper(
            f"{self._prefix}-policy",
            realm_id=self._realm.id,
            client_scope_id=scope.id,
            name="policy",
            claim_name="policy",
            user_attribute="policy",
            multivalued=True,
            aggregate_attributes=True,
            opts=self._opts,
        )
        return scope

    def _scope(self, client: openid.Client, audience: str) -> openid.ClientScope:
        scope = openid.ClientScope(
            f"{self._prefix}-{audience}",
            realm_id=self._realm.id,
            name=f"{audience}-authorization",
            include_in_token_scope=False,
            opts=self._opts,
        )
        openid.AudienceProtocolMapper(
            f"{self._prefix}-audience-{audience}",
            realm_id=self._realm.id,
            client_scope_id=scope.id,
            name=f"audience-{audience}",
            included_client_audience=client.client_id,
            add_to_id_token=False,
            opts=self._opts,
        )
        return scope

    def _default_scopes(self, name: str, client: openid.Client, *scopes: openid.ClientScope) -> None:
        openid.ClientDefaultScopes(
            f"{self._prefix}-{name}",
            realm_id=self._realm.id,
            client_id=client.id,
            default_scopes=[*_BUILT_IN_SCOPES, *(scope.name for scope in scopes)],
            opts=self._opts,
        )

    def _group(self, name: str, policy: str, members: list[Output[str]]) -> None:
        group = keycloak.Group(
            f"{self._prefix}-{name}",
            realm_id=self._realm.id,
            name=name,
            attributes={"policy": policy},
            opts=self._opts,
        )
        if members:
            keycloak.GroupMemberships(
                f"{self._prefix}-{name}",
                realm_id=self._realm.id,
                group_id=group.id,
                members=members,
                opts=self._opts,
            )

    def _user(self, name: str, secret: Output[str]) -> keycloak.User:
        return keycloak.User(
            f"{self._prefix}-{name}",
            realm_id=self._realm.id,
            username=name,
            enabled=True,
            email=f"{name}@example.com",
            email_verified=True,
            first_name=name.capitalize(),  # without names Keycloak asks for them at the first login
            last_name="Developer",
            initial_password=keycloak.UserInitialPasswordArgs(value=secret, temporary=False),
            opts=self._opts,
        )
