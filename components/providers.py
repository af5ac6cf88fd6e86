"""Other providers, by which people log in at the realm with OpenID Connect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak
import pulumi_keycloak.oidc as oidc
from pulumi import Output, ResourceOptions

from components import named_files
from components.flows import Flow
from components.people import Group, People
from components.settings import Provider

_FIRST_LOGIN = "first login by another provider"


@dataclass(frozen=True, kw_only=True)
class ProvidersArgs:
    """What Providers need: the settings by name, and which rights their groups can have."""

    settings: Mapping[str, Provider]
    people: People
    teams: Mapping[str, Group]
    steps: list[pulumi.Resource]  # of all flows of the realm, one after the other
    after_login: Output[str] | None  # the flow that is gone through after each login by one of them


class Providers(pulumi.ComponentResource):
    """They say who somebody is, and the stack file what follows from their groups.

    Nobody becomes somebody who is there already by what a provider says: an address means nothing, and a name takes the
    password of the account. And at each login the groups are those of that login.
    """

    def __init__(self, name: str, args: ProvidersArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Providers", name, None, opts)
        self._name, self._people = name, args.people
        self._opts = ResourceOptions.merge(args.people.opts, ResourceOptions(parent=self))
        first_login = self._first_login(args.steps)
        for alias, settings in args.settings.items():
            provider = self._broker(alias, settings, first_login, args.after_login)
            self._groups(alias, settings, provider, args.teams)
        self.register_outputs({})

    def _first_login(self, steps: list[pulumi.Resource]) -> Output[str]:
        """A new account, or the one that is there for whoever can log in to it.

        Keycloak's own flow takes a mail to the account's address for that, too: then whoever gave his account
        somebody else's address would have her in it, once she follows the link.
        """
        flow = Flow.new(
            self._name, "first-login", _FIRST_LOGIN, realm_id=self._people.realm_id, steps=steps, opts=self._opts
        )
        flow.step("create", "idp-create-user-if-unique", "ALTERNATIVE")
        existing = flow.part("existing", "first login to an account that is there", "ALTERNATIVE")
        existing.step("confirm", "idp-confirm-link")
        existing.step("password", "idp-username-password-form")
        code = existing.part("code", "first login to an account with one-time codes", "CONDITIONAL")
        code.step("has-code", "conditional-user-configured")
        code.step("ask-code", "auth-otp-form")
        return flow.alias

    def _broker(
        self, alias: str, settings: Provider, first_login: Output[str], after_login: Output[str] | None
    ) -> oidc.IdentityProvider:
        endpoints = settings.endpoints
        return oidc.IdentityProvider(
            f"{self._name}-{alias}",
            realm=self._people.realm_id,
            alias=alias,
            display_name=settings.name or alias,
            enabled=True,
            client_id=settings.client_id,
            client_secret=named_files.secret(f"identity_providers.{alias}.secret_file", settings.secret_file),
            issuer=endpoints.issuer,
            authorization_url=endpoints.authorization,
            token_url=endpoints.token,
            jwks_url=endpoints.keys,
            validate_signature=True,
            disable_user_info=True,  # the signed token says all
            default_scopes=settings.scopes,
            extra_config={"pkceEnabled": "true", "pkceMethod": "S256", "clientAuthMethod": "client_secret_post"},
            first_broker_login_flow_alias=first_login,
            post_broker_login_flow_alias=None if settings.second_factor == "theirs" else after_login,
            sync_mode="FORCE",
            trust_email=settings.trust_email,
            store_token=False,  # CVE-2026-105302: they are shown to others
            add_read_token_role_on_create=False,
            backchannel_supported=False,
            opts=self._opts,
        )

    def _groups(
        self, alias: str, settings: Provider, provider: oidc.IdentityProvider, teams: Mapping[str, Group]
    ) -> None:
        if not settings.groups:
            return
        _, made = self._people.groups_of(f"provider.{alias}", settings.groups, teams)
        for group, its in made.items():
            keycloak.CustomIdentityProviderMapping(
                its.pulumi_resource_name,
                realm=self._people.realm_id,
                identity_provider_alias=provider.alias,
                name=group,
                identity_provider_mapper="oidc-advanced-group-idp-mapper",
                extra_config={
                    "claims": json.dumps([{"key": settings.groups_claim, "value": group}], separators=(",", ":")),
                    "are.claim.values.regex": "false",
                    "group": its.path,
                    "syncMode": "FORCE",
                },
                opts=self._opts,
            )
