"""Who is asked for more than a password, at each way in."""

import json
from pathlib import Path
from typing import Any

import pytest

from .graph import DEV, PROJECT, Graph, Resource, declare

TEAMS: dict[str, Any] = json.loads(DEV[f"{PROJECT}:teams"])
CODED, KEYED, *_ = TEAMS


def teams(**second_factors: str) -> str:
    return json.dumps({name: {**team, "second_factor": second_factors.get(name)} for name, team in TEAMS.items()})


@pytest.fixture(scope="module")
def graph() -> Graph:
    return declare({**DEV, f"{PROJECT}:teams": teams(**{CODED: "code", KEYED: "passkey"})})


def steps(graph: Graph, kind: str) -> dict[str, list[str]]:
    """The steps of each flow, of these authenticators."""
    found: dict[str, list[str]] = {}
    for step in sorted(graph.of("authentication/execution:Execution"), key=lambda step: step.inputs["priority"]):
        if step.inputs["authenticator"].startswith(kind):
            found.setdefault(step.inputs["parentFlowAlias"], []).append(step.inputs["authenticator"])
    return found


def bindings(graph: Graph) -> Resource:
    (bound,) = graph.of("authentication/bindings:Bindings")
    return bound


def test_a_stack_in_which_nobody_needs_one_has_keycloaks_own_flows(dev: Graph):
    assert not dev.of(":Bindings")
    assert "second-factor" not in json.dumps([group.inputs for group in dev.of("index/group:Group")])


def test_the_groups_say_what_their_members_need(graph: Graph):
    said = {group.inputs["name"]: group.inputs["attributes"].get("second-factor") for group in graph.of(":Group")}
    assert said == {name: {CODED: "code", KEYED: "passkey"}.get(name) for name in TEAMS}


def test_every_way_in_is_replaced_once_it_is_whole(graph: Graph):
    bound = bindings(graph)
    flows = {flow.inputs["alias"] for flow in graph.of("authentication/flow:Flow")}
    own = {bound.inputs[door] for door in ("browserFlow", "directGrantFlow", "resetCredentialsFlow")}
    assert own == flows
    before = graph.before(bound)
    parts = [*graph.of(":Execution"), *graph.of(":Subflow"), *graph.of(":ExecutionConfig")]
    assert {step for step in parts if step.inputs.get("realmId")} <= before


def test_a_part_that_depends_on_somebody_depends_on_his_groups_alone(graph: Graph):
    told = [config.inputs["config"] for config in graph.of(":ExecutionConfig")]
    of_groups = [config for config in told if "attribute_name" in config]
    assert {config["attribute_expected_value"] for config in of_groups} == {"code", "passkey"}
    assert {(it["attribute_name"], it["include_group_attributes"], it["not"]) for it in of_groups} == {
        ("second-factor", "true", "false")
    }


def test_a_password_by_a_program_is_refused_to_those_who_need_more(graph: Graph):
    assert len(steps(graph, "deny-access")) == 2  # for each kind
    everybody = declare({**DEV, f"{PROJECT}:second_factor": "passkey"})
    (refused,) = steps(everybody, "deny-access")
    assert refused == bindings(everybody).inputs["directGrantFlow"]


def test_a_new_password_by_mail_lets_nobody_in(graph: Graph):
    assert {"force-login": "true"} in [config.inputs["config"] for config in graph.of(":ExecutionConfig")]
    assert not steps(graph, "reset-otp")


def test_another_providers_word_is_for_the_person_alone_unless_the_stack_says_more(tmp_path: Path):
    (tmp_path / "secret").write_text("hush\n")
    given = {"kind": "google", "client_id": "platform", "secret_file": str(tmp_path / "secret")}
    providers = {"google": given, "careful": {**given, "second_factor": "theirs"}}
    config = {f"{PROJECT}:identity_providers": json.dumps(providers), f"{PROJECT}:second_factor": "code"}
    after = {
        it.inputs["alias"]: it.inputs.get("postBrokerLoginFlowAlias")
        for it in declare({**DEV, **config}).of(":IdentityProvider")
    }
    assert after == {"google": "second factor - after another provider", "careful": None}
