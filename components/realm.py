"""The realm: its clients, what their tokens say, and the groups that become rights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_keycloak as keycloak
import pulumi_keycloak.openid as openid
from pulumi import Output, ResourceOptions

from components import accounts
from components.directory import Directory, DirectoryArgs
from components.durations import go_duration
from components.passwords import password
from components.people import Group, People
from components.providers import Providers, ProvidersArgs
from components.scopes import SERVICE_SCOPE, Scopes
from components.second_factor import SecondFactor, SecondFactorArgs
from components.settings import SERVICE_ACCOUNT, Lifetimes, Passwords, Provider, Smtp
from components.settings import Directory as DirectorySettings
from components.settings import SecondFactor as Kind

TRACKING_AUDIENCE = "mlflow"
_WEB = TRACKING_AUDIENCE
_STORAGE_AUDIENCE = "minio"


@dataclass(frozen=True, kw_only=True)
class RealmArgs:
    """What a Realm needs. URLs are public ones, of Keycloak, MLflow and MinIO's console, without a slash at the end."""

    provider: keycloak.Provider
    keep_data: bool  # whether the realm outlives the stack
    public_url: str
    tracking_url: str
    console_url: str
    backchannel_logout_url: str  # of MLflow, on the platform's network
    groups: Mapping[str, Group]
    dev_users: tuple[str, ...]
    lifetimes: Lifetimes
    events_days: int  # that logins, and what administrators did, are kept
    password_grant: bool
    directory: DirectorySettings | None
    identity_providers: Mapping[str, Provider]
    passwords: Passwords
    second_factor: Kind | None  # of everybody
    smtp: Smtp | None


@dataclass(frozen=True)
class Client:
    """A confidential OpenID Connect client."""

    client_id: Output[str]
    secret: Output[str]  # secret

    @classmethod
    def of(cls, client: openid.Client) -> "Client":
        """With the secret that Keycloak gave it."""
        return cls(client.client_id, client.client_secret)


class Realm(pulumi.ComponentResource):
    """A token says which groups its bearer is in, which MinIO policies follow from them, and whom it is for.

    And no more: it carries no roles (`full_scope_allowed`), so that whoever finds one cannot use it on Keycloak itself.
    """

    name = "mlflow"
    web: Client
    console: Client
    login_client_id = "mlflow-client"
    service_clients: dict[str, Client]
    passwords: dict[str, Output[str]]
    """Of the dev users, by name (secret)."""

    def __init__(self, name: str, args: RealmArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Realm", name, None, opts)
        self._prefix = name
        self._opts = ResourceOptions(parent=self, provider=args.provider)
        settings = self._settings(args)
        # The realm alone is kept: a group or a user that leaves the stack file loses its rights in any stack.
        kept = ResourceOptions.merge(self._opts, ResourceOptions(retain_on_delete=args.keep_data))
        self._realm = keycloak.Realm(name, settings, kept)
        self._events(args.events_days)

        web = self._web_client(args)
        console = self._console_client(args.console_url)
        login = self._login_client()
        services = {
            client: self._service_client(client) for group in args.groups.values() for client in group.service_clients
        }
        scopes = Scopes(prefix=name, realm_id=self._realm.id, opts=self._opts)
        for_storage = [scopes.storage(console, _STORAGE_AUDIENCE).name]
        for_both = [scopes.tracking(web, TRACKING_AUDIENCE).name, *for_storage]
        scopes.of(_WEB, web, for_both)
        scopes.of(self.login_client_id, login, for_both, optional=["offline_access"])  # for jobs that take days
        scopes.of(_STORAGE_AUDIENCE, console, for_storage)  # its tokens are of no use to MLflow
        for client_id, client in services.items():
            scopes.of(client_id, client, [*for_both, SERVICE_SCOPE])

        people = People(prefix=name, realm_id=self._realm.id, opts=self._opts)
        groups = {group: people.group(group, rights) for group, rights in args.groups.items()}
        self.passwords = {user: password(f"{name}-{user}", self) for user in args.dev_users}
        users = {user: people.user(user, secret).id for user, secret in self.passwords.items()}
        programs = {SERVICE_ACCOUNT + name: client.service_account_user_id for name, client in services.items()}
        for user, user_id in {**users, **programs}.items():
            if theirs := [groups[group].id for group, rights in args.groups.items() if user in rights.user_names]:
                people.member(user, user_id, theirs)
        steps: list[pulumi.Resource] = []
        after_login = self._second_factor(args, settings, steps)
        if args.directory:
            of_directory = DirectoryArgs(settings=args.directory, people=people, teams=args.groups)
            Directory(f"{name}-directory", of_directory, ResourceOptions(parent=self))
        if args.identity_providers:
            of_providers = ProvidersArgs(
                settings=args.identity_providers, people=people, teams=args.groups, steps=steps, after_login=after_login
            )
            Providers(f"{name}-providers", of_providers, ResourceOptions(parent=self))

        self.web, self.console = Client.of(web), Client.of(console)
        self.service_clients = {client_id: Client.of(client) for client_id, client in services.items()}
        self.register_outputs({"name": self.name})

    def _settings(self, args: RealmArgs) -> keycloak.RealmArgs:
        return keycloak.RealmArgs(
            realm=self.name,
            display_name="MLflow",
            enabled=True,
            attributes={
                "frontendUrl": args.public_url,  # in every token's `iss`; the server's own is its administrators'
                "adminEventsExpiration": str(86400 * args.events_days),  # which RealmEvents has no word for
            },
            ssl_required="external",
            access_token_lifespan=go_duration(args.lifetimes.access_token),
            sso_session_idle_timeout=go_duration(args.lifetimes.session_idle),
            sso_session_max_lifespan=go_duration(args.lifetimes.session_max),
            offline_session_idle_timeout=go_duration(30 * 86400),
            password_policy=accounts.password_policy(args.passwords),
            smtp_server=args.smtp and accounts.mail_server(args.smtp),
            # Two people from elsewhere may have one address: nobody logs in by it, and it says nothing of who he is.
            login_with_email_allowed=False,
            duplicate_emails_allowed=bool(args.directory or args.identity_providers),
            # Both are done by mail; without it an administrator gives a new password, and vouches for the address.
            reset_password_allowed=args.smtp is not None,
            verify_email=args.smtp is not None,
            security_defenses=keycloak.RealmSecurityDefensesArgs(
                # With Keycloak's own numbers; it watches nothing until it is told to.
                brute_force_detection=keycloak.RealmSecurityDefensesBruteForceDetectionArgs(
                    permanent_lockout=False, max_login_failures=30, wait_increment_seconds=60
                )
            ),
        )

    def _second_factor(
        self, args: RealmArgs, settings: keycloak.RealmArgs, steps: list[pulumi.Resource]
    ) -> Output[str] | None:
        """Where nobody needs one, Keycloak's own flows ask for it who has set one up."""
        if not (args.second_factor or any(group.second_factor for group in args.groups.values())):
            return None
        needed = SecondFactorArgs(
            realm_id=self._realm.id,
            realm_settings=Output.from_input(settings).apply(_digest),
            everybody=args.second_factor,
            groups=args.groups,
            by_other_providers=bool(args.identity_providers),
            steps=steps,
        )
        return SecondFactor(f"{self._prefix}-second-factor", needed, self._opts).after_other_providers

    def _events(self, days: int) -> None:
        """Who logged in, and what administrators changed; by themselves Keycloak keeps neither."""
        keycloak.RealmEvents(
            self._prefix,
            realm_id=self._realm.id,
            events_enabled=True,
            events_expiration=86400 * days,
            events_listeners=["jboss-logging"],  # Keycloak's own list: unsaid, nothing would be logged
            admin_events_enabled=True,
            opts=self._opts,
        )

    def _web_client(self, args: RealmArgs) -> openid.Client:
        """MLflow's own: its server logs browsers in."""
        return openid.Client(
            f"{self._prefix}-{_WEB}",
            realm_id=self._realm.id,
            client_id=_WEB,
            name="MLflow",
            access_type="CONFIDENTIAL",
            full_scope_allowed=False,
            standard_flow_enabled=True,
            direct_access_grants_enabled=args.password_grant,
            pkce_code_challenge_method="S256",
            valid_redirect_uris=[f"{args.tracking_url}/oidc/callback"],
            valid_post_logout_redirect_uris=[f"{args.tracking_url}/"],
            # From server to server: a browser that is closed, or elsewhere, cannot miss the end of its session.
            frontchannel_logout_enabled=False,
            backchannel_logout_url=args.backchannel_logout_url,
            backchannel_logout_session_required=True,
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
            full_scope_allowed=False,
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
            full_scope_allowed=False,
            standard_flow_enabled=True,
            direct_access_grants_enabled=False,
            oauth2_device_authorization_grant_enabled=True,
            pkce_code_challenge_method="S256",
            valid_redirect_uris=["http://127.0.0.1/callback"],  # Keycloak lets the port of a loopback address differ
            opts=self._opts,
        )

    def _service_client(self, name: str) -> openid.Client:
        """A program's: it logs in with its secret, for itself alone, and there is no browser to come back to."""
        return openid.Client(
            f"{self._prefix}-{name}",
            realm_id=self._realm.id,
            client_id=name,
            name=name,
            access_type="CONFIDENTIAL",
            full_scope_allowed=False,
            service_accounts_enabled=True,
            standard_flow_enabled=False,
            implicit_flow_enabled=False,
            direct_access_grants_enabled=False,
            opts=self._opts,
        )


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, default=vars, sort_keys=True).encode()).hexdigest()
