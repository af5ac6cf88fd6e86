"""Flows of logins: a flow, and the steps in it, which may be flows themselves.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/authentication_{flow,subflow,execution}.go
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


def _steps(values: Mapping[str, Any]) -> tuple[str, ...]:
    return values["realmId"], "authentication", "flows", values["parentFlowAlias"], "executions"
