"""Other providers, by which people log in at the realm with OpenID Connect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak
import pulumi_keycloak.authentication as authentication
import pulumi_keycloak.oidc as oidc
from pulumi import Output, ResourceOptions

from components import named_files
from components.people import People
from components.settings import Provider

_FIRST_LOGIN = "first login by another provider"


@dataclass(frozen=True, kw_only=True)
class ProvidersArgs:
    """What Providers need: the settings by name; `policies` are the teams'."""

    settings: Mapping[str, Provider]
    people: People
    policies: Mapping[str, str]


class Providers(pulumi.ComponentResource):
    """They say who somebody is, and the stack file what follows from their groups.

    Nobody becomes somebody who is there already by what a provider says: an address means nothing, and a name takes the
    password of the account. And at each login the groups are those of that login.
    """

    def __init__(self, name: str, args: ProvidersArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Providers", name, None, opts)
        self._name, self._people = name, args.people
        self._opts = ResourceOptions.merge(args.people.opts, ResourceOptions(parent=self))
        self._steps: list[pulumi.Resource] = []  # of the first login
        first_login = self._first_login()
        for alias, settings in args.settings.items():
            provider = self._broker(alias, settings, first_login)
            self._groups(alias, settings, provider, args.policies)
        self.register_outputs({})

    def _first_login(self) -> Output[str]:
        """A new account, or the one that is there for whoever can log in to it.

        Keycloak's own flow takes a mail to the account's address for that, too: then whoever gave his account
        somebody else's address would have her in it, once she follows the link.
        """
        flow = authentication.Flow(
            f"{self._name}-first-login",
            realm_id=self._people.realm_id,
            alias=_FIRST_LOGIN,
            provider_id="basic-flow",
            opts=self._opts,
        )
        self._step("create", flow.alias, "idp-create-user-if-unique", "ALTERNATIVE", 10)
        existing = self._subflow("existing", flow.alias, "first login to an account that is there", "ALTERNATIVE", 20)
        self._step("confirm", existing, "idp-confirm-link", "REQUIRED", 10)
        self._step("password", existing, "idp-username-password-form", "REQUIRED", 20)
        code = self._subflow("code", existing, "first login to an account with one-time codes", "CONDITIONAL", 30)
        self._step("has-code", code, "conditional-user-configured", "REQUIRED", 10)
        self._step("ask-code", code, "auth-otp-form", "REQUIRED", 20)
        return flow.alias

    def _subflow(self, name: str, parent: Output[str], alias: str, requirement: str, priority: int) -> Output[str]:
        flow = authentication.Subflow(
            f"{self._name}-{name}",
            realm_id=self._people.realm_id,
            parent_flow_alias=parent,
            alias=alias,  # of which a realm has one
            provider_id="basic-flow",
            requirement=requirement,
            priority=priority,
            opts=self._after_the_last(),
        )
        self._steps.append(flow)
        return flow.alias

    def _step(self, name: str, flow: Output[str], authenticator: str, requirement: str, priority: int) -> None:
        step = authentication.Execution(
            f"{self._name}-{name}",
            realm_id=self._people.realm_id,
            parent_flow_alias=flow,
            authenticator=authenticator,
            requirement=requirement,
            priority=priority,
            opts=self._after_the_last(),
        )
        self._steps.append(step)

    def _after_the_last(self) -> ResourceOptions:
        """One by one: Keycloak (26.7) answers 500 to whoever lists a flow while another step of it is half made."""
        return ResourceOptions.merge(self._opts, ResourceOptions(depends_on=self._steps[-1:]))

    def _broker(self, alias: str, settings: Provider, first_login: Output[str]) -> oidc.IdentityProvider:
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
            sync_mode="FORCE",
            trust_email=settings.trust_email,
            store_token=False,  # CVE-2026-105302: they are shown to others
            add_read_token_role_on_create=False,
            backchannel_supported=False,
            opts=self._opts,
        )

    def _groups(
        self, alias: str, settings: Provider, provider: oidc.IdentityProvider, policies: Mapping[str, str]
    ) -> None:
        if not settings.groups:
            return
        _, made = self._people.groups_of(f"provider.{alias}", settings.groups, policies)
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
