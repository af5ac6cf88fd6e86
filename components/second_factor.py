"""A second factor besides the password: for whom, of which kind, and at each door where passwords are taken."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak.authentication as authentication
from pulumi import Input, Output, ResourceOptions

from components.flows import Flow
from components.people import SECOND_FACTOR, Group
from components.settings import SecondFactor as Kind

_PASSKEY = "webauthn-authenticator"
_CODE = "auth-otp-form"


@dataclass(frozen=True, kw_only=True)
class SecondFactorArgs:
    """What a SecondFactor needs; `everybody` is what all need, the groups say what theirs do."""

    realm_id: Output[str]
    realm_settings: Input[str]  # whatever changes with any of the realm's own
    everybody: Kind | None
    groups: Mapping[str, Group]
    by_other_providers: bool  # whether people come by these, too
    steps: list[pulumi.Resource]  # of all flows of the realm, one after the other


class SecondFactor(pulumi.ComponentResource):
    """Whoever must have one sets it up at the next login, and whoever has one is asked for it.

    By Keycloak's own flows only the second is so. Beside its login page there are three more ways in: a password that
    a program sends, which is refused to those who need more; a new password by mail, after which the login begins
    anew; and other providers, whose word for a person is not one for a second factor.
    """

    after_other_providers: Output[str] | None = None
    """The flow of those who come by another provider."""

    def __init__(self, name: str, args: SecondFactorArgs, opts: ResourceOptions):
        super().__init__("mlflow-platform:index:SecondFactor", name, None, ResourceOptions(parent=opts.parent))
        self._name, self._args = name, args
        self._opts = ResourceOptions.merge(opts, ResourceOptions(parent=self))
        self._of_teams = {group.second_factor for group in args.groups.values()} - {None}
        browser, by_password, forgotten = self._browser(), self._by_password(), self._forgotten()
        if args.by_other_providers:
            after = self._flow("after", "after another provider")
            after.step("after-known", "allow-access-authenticator")  # or who needs nothing more would be refused
            self._ask(after, "after")
            self.after_other_providers = after.alias
        authentication.Bindings(
            name,
            realm_id=args.realm_id,
            browser_flow=browser.alias,
            direct_grant_flow=by_password.alias,
            reset_credentials_flow=forgotten.alias,
            # Each takes effect once it is whole. And an update of the realm itself sets Keycloak's own flows again
            # (pulumi-keycloak's issue 756), of which a preview without a refresh would not know.
            opts=ResourceOptions.merge(
                self._opts,
                ResourceOptions(
                    depends_on=[*args.steps],
                    replacement_trigger=args.realm_settings,
                    delete_before_replace=True,
                ),
            ),
        )
        self.register_outputs({})

    def _flow(self, name: str, alias: str) -> Flow:
        return Flow.new(
            self._name,
            name,
            f"second factor - {alias}",
            realm_id=self._args.realm_id,
            steps=self._args.steps,
            opts=self._opts,
        )

    def _browser(self) -> Flow:
        """Keycloak's own, with the second factor after the password."""
        flow = self._flow("browser", "login")
        flow.step("browser-session", "auth-cookie", "ALTERNATIVE")
        flow.step("browser-provider", "identity-provider-redirector", "ALTERNATIVE")
        form = flow.part("browser-form", "second factor - login with a password", "ALTERNATIVE")
        form.step("browser-password", "auth-username-password-form")
        self._ask(form, "browser")
        return flow

    def _by_password(self) -> Flow:
        """A password that a program sends: good for those alone of whom nothing more is asked."""
        flow = self._flow("grant", "password of a program")
        flow.step("grant-name", "direct-grant-validate-username")
        flow.step("grant-password", "direct-grant-validate-password")
        if self._args.everybody:
            flow.step("grant-refused", "deny-access-authenticator")
            return flow
        for kind in sorted(filter(None, self._of_teams)):
            refused = flow.part(f"grant-{kind}", f"second factor - password of a program - {kind}", "CONDITIONAL")
            self._only_for(refused, f"grant-{kind}", kind)
            refused.step(f"grant-{kind}-refused", "deny-access-authenticator")
        has_one = flow.part("grant-has-one", "second factor - password of a program - who has one", "CONDITIONAL")
        has_one.step("grant-has-one-if", "conditional-user-configured")
        has_one.step("grant-has-one-code", "direct-grant-validate-otp")
        return flow

    def _forgotten(self) -> Flow:
        """Who answers a mail gets a new password and no more: Keycloak's own flow lets him in, and drops his codes."""
        flow = self._flow("forgotten", "forgotten password")
        flow.step("forgotten-name", "reset-credentials-choose-user")
        flow.step("forgotten-mail", "reset-credential-email", config={"force-login": "true"})
        flow.step("forgotten-new", "reset-password")
        return flow

    def _ask(self, flow: Flow, door: str) -> None:
        """First those who need a passkey; of the others those who have something; then those who need a code."""
        if self._args.everybody == "passkey":
            flow.step(f"{door}-passkey", _PASSKEY)
            return
        asked: dict[str, Flow] = {}

        def part(name: str) -> Flow:
            made = flow.part(f"{door}-{name}", f"second factor - {door} - {name}", "CONDITIONAL")
            for other, before in asked.items():  # once is enough
                config = {"flow_to_check": before.alias, "check_result": "not-executed"}
                made.step(f"{door}-{name}-not-{other}", "conditional-sub-flow-executed", config=config)
            asked[name] = made
            return made

        if "passkey" in self._of_teams:
            passkey = part("passkey")
            self._only_for(passkey, f"{door}-passkey", "passkey")
            passkey.step(f"{door}-passkey-asked", _PASSKEY)
        has_one = part("has-one")
        has_one.step(f"{door}-has-one-if", "conditional-user-configured")
        has_one.step(f"{door}-has-one-passkey", _PASSKEY, "ALTERNATIVE")
        has_one.step(f"{door}-has-one-code", _CODE, "ALTERNATIVE")
        if self._args.everybody or "code" in self._of_teams:
            code = part("code")
            if not self._args.everybody:
                self._only_for(code, f"{door}-code", "code")
            code.step(f"{door}-code-asked", _CODE)

    def _only_for(self, flow: Flow, name: str, kind: str) -> None:
        """Those of whom one of their groups says that they need this kind."""
        config = {
            "attribute_name": SECOND_FACTOR,
            "attribute_expected_value": kind,
            "include_group_attributes": "true",
            "not": "false",
            "regex": "false",
        }
        flow.step(f"{name}-if", "conditional-user-attribute", config=config)
