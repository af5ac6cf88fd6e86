"""How people of other providers log in, as whom, and with which rights."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.named_files import NamedFileError

from .graph import DEV, PROJECT, Graph, declare

TENANT = "01234567-89ab-cdef-0123-456789abcdef"
KINDS: dict[str, dict[str, Any]] = {
    "corp": {"kind": "keycloak", "realm": "https://login.example.org/realms/people/"},
    "entra": {"kind": "entra", "tenant": TENANT},
    "google": {"kind": "google"},
    "own": {
        "kind": "oidc",
        **{name: f"https://id.example.org/{name}" for name in ("issuer", "authorization", "token", "keys")},
    },
}


def with_providers(folder: Path, **more: Any) -> Graph:
    (folder / "secret").write_text("hush-hush\n")
    common = {"client_id": "platform", "secret_file": str(folder / "secret"), **more}
    providers = {name: {**kind, **common} for name, kind in KINDS.items()}
    return declare({**DEV, f"{PROJECT}:identity_providers": json.dumps(providers)})


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    groups = {"ML / Köln": "model-developers", "platform-admins": "model-viewers"}
    return with_providers(tmp_path_factory.mktemp("providers"), groups=groups)


def providers(graph: Graph) -> dict[str, dict[str, Any]]:
    return {provider.inputs["alias"]: provider.inputs for provider in graph.of(":IdentityProvider")}


def test_a_stack_without_providers_has_none_and_no_flow_for_them(dev: Graph):
    assert not [made for made in dev.resources if ":oidc/" in made.token or ":authentication/" in made.token]


def test_each_kind_is_asked_where_it_answers(graph: Graph):
    asked = ("issuer", "authorizationUrl", "tokenUrl", "jwksUrl")
    people = "https://login.example.org/realms/people"
    microsoft = f"https://login.microsoftonline.com/{TENANT}"
    assert {name: [given[key] for key in asked] for name, given in providers(graph).items()} == {
        "corp": [people, *(f"{people}/protocol/openid-connect/{path}" for path in ("auth", "token", "certs"))],
        "entra": [
            f"{microsoft}/v2.0",
            f"{microsoft}/oauth2/v2.0/authorize",
            f"{microsoft}/oauth2/v2.0/token",
            f"{microsoft}/discovery/v2.0/keys",
        ],
        "google": [
            "https://accounts.google.com",
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://www.googleapis.com/oauth2/v3/certs",
        ],
        "own": [f"https://id.example.org/{name}" for name in ("issuer", "authorization", "token", "keys")],
    }


@pytest.mark.parametrize("name", KINDS)
def test_a_provider_is_believed_by_its_signature_and_no_code_is_of_use_to_a_thief(graph: Graph, name: str):
    given = providers(graph)[name]
    assert given["validateSignature"] is True
    assert (given["extraConfig"]["pkceEnabled"], given["extraConfig"]["pkceMethod"]) == ("true", "S256")


@pytest.mark.parametrize("name", KINDS)
def test_a_provider_neither_vouches_for_addresses_nor_lends_its_tokens(graph: Graph, name: str):
    given = providers(graph)[name]
    assert [given[key] for key in ("trustEmail", "storeToken", "addReadTokenRoleOnCreate")] == [False] * 3


def test_two_people_may_have_one_address_by_which_nobody_logs_in(graph: Graph):
    realm = graph.the("realm:Realm", "keycloak-realm").inputs
    assert (realm["duplicateEmailsAllowed"], realm["loginWithEmailAllowed"]) == (True, False)


def test_a_stack_may_say_that_one_proves_addresses(tmp_path: Path):
    assert all(given["trustEmail"] for given in providers(with_providers(tmp_path, trust_email=True)).values())


def test_the_secret_is_a_secret_and_goes_to_the_provider_alone(graph: Graph):
    holders = [made for made in graph.resources if "hush-hush" in json.dumps(made.inputs)]
    assert holders == graph.of(":IdentityProvider")
    assert all("clientSecret" in made.secret for made in holders)


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(NamedFileError, match=r"identity_providers\.corp\.secret_file: cannot read .*nowhere"):
        with_providers(tmp_path, secret_file=str(tmp_path / "nowhere"))


def test_who_is_there_already_is_nobody_elses_account_without_its_password(graph: Graph):
    (flow,) = graph.of("authentication/flow:Flow")
    assert {given["firstBrokerLoginFlowAlias"] for given in providers(graph).values()} == {flow.inputs["alias"]}
    steps = {
        (made.inputs["parentFlowAlias"], made.inputs["priority"]): (
            made.inputs.get("authenticator") or made.inputs["alias"],
            made.inputs["requirement"],
        )
        for made in (*graph.of(":Execution"), *graph.of(":Subflow"))
    }
    there, coded = "first login to an account that is there", "first login to an account with one-time codes"
    assert steps == {
        (flow.inputs["alias"], 10): ("idp-create-user-if-unique", "ALTERNATIVE"),
        (flow.inputs["alias"], 20): (there, "ALTERNATIVE"),
        (there, 10): ("idp-confirm-link", "REQUIRED"),
        (there, 20): ("idp-username-password-form", "REQUIRED"),
        (there, 30): (coded, "CONDITIONAL"),
        (coded, 10): ("conditional-user-configured", "REQUIRED"),
        (coded, 20): ("auth-otp-form", "REQUIRED"),
    }


def test_a_claim_gives_the_rights_of_the_team_that_it_stands_for_anew_at_each_login(graph: Graph):
    mappers = [made.inputs for made in graph.of(":CustomIdentityProviderMapping")]
    assert len(mappers) == len(KINDS) * 2
    assert {mapper["identityProviderMapper"] for mapper in mappers} == {"oidc-advanced-group-idp-mapper"}
    assert {mapper["extraConfig"]["syncMode"] for mapper in mappers} == {"FORCE"}
    assert {given["syncMode"] for given in providers(graph).values()} == {"FORCE"}
    claims = [mapper["extraConfig"]["claims"] for mapper in mappers if mapper["identityProviderAlias"] == "corp"]
    # In whatever order they were made.
    assert sorted((json.loads(claim) for claim in claims), key=str) == [
        [{"key": "groups", "value": "ML / Köln"}],
        [{"key": "groups", "value": "platform-admins"}],
    ]
    made = [group.inputs for group in graph.of("index/group:Group") if "parentId" in group.inputs]
    assert {group["name"]: group["attributes"]["mlflow-team"] for group in made} == {
        "ML / Köln": "model-developers",
        "platform-admins": "model-viewers",
    }
    assert len(made) == len(mappers)  # each provider has groups of its own


def test_the_steps_of_a_login_are_made_one_by_one(graph: Graph):
    steps = [*graph.of(":Execution"), *graph.of(":Subflow")]
    alone = [step for step in steps if not {other.urn for other in steps} & step.needs]
    assert len(steps) > 5
    assert len(alone) == 1  # the first
