"""Flows of logins: a flow, the steps in it, which may be flows themselves, what these are told, and what is used where.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/authentication_{flow,subflow,execution,execution_config}.go,
provider/resource_keycloak_authentication_bindings.go
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from offline.providers.base import Prop, ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, text
from offline.providers.keycloak.objects import REALM, AdminObject, properties_of

_OF_A_FLOW: dict[str, Field] = {
    "alias": text(required=True),
    "description": text(),
    "providerId": text(default="basic-flow"),
}
_OF_A_STEP = {
    "realmId": REALM,
    "parentFlowAlias": Prop(str, required=True, replaces=True),
    "requirement": Prop(str, implied="DISABLED"),
    "priority": Prop(int),
}

BUILT_IN = {
    "browserFlow": "browser",
    "registrationFlow": "registration",
    "directGrantFlow": "direct grant",
    "resetCredentialsFlow": "reset credentials",
    "clientAuthenticationFlow": "clients",
    "dockerAuthenticationFlow": "docker auth",
    "firstBrokerLoginFlow": "first broker login",
}


class Flow(AdminObject):
    """keycloak:authentication/flow:Flow (pulumi-keycloak 6.14.1)."""

    token = "keycloak:authentication/flow:Flow"
    fields = _OF_A_FLOW | {"providerId": text(implied="basic-flow")}
    properties = properties_of(fields, realmId=REALM)
    delete_before_replace = True

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "authentication", "flows"

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, {"providerId": "basic-flow", **inputs}, None)
        return {**body, "topLevel": True, "builtIn": False}


class _Step(ResourceType):
    """A step of a flow: Keycloak lists them all below the flow's alias, and changes them there."""

    path: ClassVar[str]
    key: ClassVar[str]  # of a listed step, by which the resource knows it

    def made_of(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def told(self, client: AdminApi, realm: str, step: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        made = {**self.made_of(inputs), "priority": inputs.get("priority") or 0}
        id = client.create(*_steps(inputs), self.path, body=made)
        return id, self.update(client, id, {}, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        if not state:
            realm, _, rest = id.partition("/")
            parent, _, id = rest.rpartition("/")
            state = {"realmId": realm, "parentFlowAlias": parent}
        step = self._step(client, id, state)
        if step is None:
            return None
        where = {key: state[key] for key in ("realmId", "parentFlowAlias")}
        same = {"requirement": step["requirement"], "priority": step.get("priority", 0)}
        return {"id": id, **where, **same, **self.told(client, state["realmId"], step)}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        step = self._step(client, id, inputs)
        if step is None:
            raise ProviderError(f"Flow {inputs['parentFlowAlias']!r} of realm {inputs['realmId']} has no step {id}.")
        wanted = {"requirement": inputs.get("requirement") or "DISABLED", "priority": inputs.get("priority") or 0}
        client.put(*_steps(inputs), body={**step, **wanted})
        return self.read(client, id, inputs) or inputs

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        if step := self._step(client, id, state):
            client.delete(state["realmId"], "authentication", "executions", step["id"])

    def _step(self, client: AdminApi, id: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        listed = client.get(*_steps(values)) or []
        return next((step for step in listed if step.get(self.key) == id and step["level"] == 0), None)


class Subflow(_Step):
    """keycloak:authentication/subflow:Subflow (pulumi-keycloak 6.14.1)."""

    token = "keycloak:authentication/subflow:Subflow"
    properties = properties_of(_OF_A_FLOW, **_OF_A_STEP, authenticator=Prop(str, replaces=True))
    delete_before_replace = True
    path, key = "flow", "flowId"

    def made_of(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        named = {"alias": inputs["alias"], "description": inputs.get("description", "")}
        return {**named, "type": inputs["providerId"], "provider": inputs.get("authenticator", "")}

    def told(self, client: AdminApi, realm: str, step: Mapping[str, Any]) -> dict[str, Any]:
        flow = client.get(realm, "authentication", "flows", step["flowId"])
        named = {name: flow.get(name) or "" for name in ("alias", "description", "providerId")}
        return {**named, "authenticator": step.get("providerId") or ""}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        at = (inputs["realmId"], "authentication", "flows", id)
        named = {"alias": inputs["alias"], "description": inputs.get("description", "")}
        client.put(*at, body={**client.get(*at), **named, "providerId": inputs["providerId"]})
        return super().update(client, id, state, inputs)


class Execution(_Step):
    """keycloak:authentication/execution:Execution (pulumi-keycloak 6.14.1)."""

    token = "keycloak:authentication/execution:Execution"
    properties = {**_OF_A_STEP, "authenticator": Prop(str, required=True, replaces=True)}
    path, key = "execution", "id"

    def made_of(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"provider": inputs["authenticator"]}

    def told(self, client: AdminApi, realm: str, step: Mapping[str, Any]) -> dict[str, Any]:
        return {"authenticator": step["providerId"]}


class ExecutionConfig(ResourceType):
    """keycloak:authentication/executionConfig:ExecutionConfig (pulumi-keycloak 6.14.1)."""

    token = "keycloak:authentication/executionConfig:ExecutionConfig"
    properties = {
        "realmId": REALM,
        "executionId": Prop(str, required=True, replaces=True),
        "alias": Prop(str, auto_name=True, replaces=True),
        "config": Prop(dict, of=str, required=True),
    }

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        at = (inputs["realmId"], "authentication", "executions", inputs["executionId"], "config")
        id = client.create(*at, body={name: inputs[name] for name in ("alias", "config")})
        return id, {**inputs, "id": id}

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        if not state:
            realm, _, rest = id.partition("/")
            execution, _, id = rest.partition("/")
            if not id:
                raise ProviderError(
                    f"An import of {self.token} needs an id like realm/execution's id/id, not '{rest}'."
                )
            state = {"realmId": realm, "executionId": execution}
        told = client.get(state["realmId"], "authentication", "config", id)
        where = {name: state[name] for name in ("realmId", "executionId")}
        return told and {**where, "alias": told["alias"], "config": told["config"], "id": id}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        body = {"id": id, **{name: inputs[name] for name in ("alias", "config")}}
        client.put(inputs["realmId"], "authentication", "config", id, body=body)
        return inputs

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        client.delete(state["realmId"], "authentication", "config", id)


class Bindings(ResourceType):
    """keycloak:authentication/bindings:Bindings (pulumi-keycloak 6.14.1).

    Every realm has them: those that the program leaves out, and all at the end, are Keycloak's own.
    """

    token = "keycloak:authentication/bindings:Bindings"
    properties = {"realmId": REALM, **{name: Prop(str, computed=True) for name in BUILT_IN}}

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return inputs["realmId"], self.update(client, inputs["realmId"], {}, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        realm = client.get(id)
        return realm and {"realmId": id, **{name: realm.get(name) for name in BUILT_IN}}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        client.put(id, body=bound(inputs, state))
        return self.read(client, id, inputs) or inputs

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        if client.get(id) is not None:
            client.put(id, body=BUILT_IN)


def bound(inputs: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, str]:
    """What an update of the realm, or of its bindings, sends: all flows, as its own state knows them.

    Whichever of the two resources is updated so undoes what the other one did since (pulumi-keycloak's issue 756).
    """
    return {name: inputs.get(name) or state.get(name) or built_in for name, built_in in BUILT_IN.items()}


def _steps(values: Mapping[str, Any]) -> tuple[str, ...]:
    return values["realmId"], "authentication", "flows", values["parentFlowAlias"], "executions"
