"""Policies, users, and which policy a user has."""

import json
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError, ResourceType
from ..values import UNKNOWN
from .common import Gone, unique
from .policies import equivalent

if TYPE_CHECKING:
    from .server import Server


class IamPolicy(ResourceType):
    """minio:index/iamPolicy:IamPolicy (pulumi-minio 0.17.1, over aminueza/terraform-provider-minio)."""

    token = "minio:index/iamPolicy:IamPolicy"
    properties = {
        "name": Prop(str, auto_name=True, computed=True, replaces=True),
        "namePrefix": Prop(str, replaces=True),
        "policy": Prop(str, required=True, same=equivalent),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        policy = inputs["policy"]
        if policy != UNKNOWN:
            _document(policy)
        if inputs.get("namePrefix"):  # then the name that was made up here is not wanted
            return {key: value for key, value in inputs.items() if key != "name"}
        return inputs

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs.get("name") or unique(inputs["namePrefix"])
        return name, self.update(client, name, {}, inputs)

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        try:
            with client.calls():
                found = client.admin.policy_info(id).strip()
        except Gone:
            return None
        known = state.get("policy")
        return {
            "name": id,
            "namePrefix": state.get("namePrefix"),
            "policy": known if known and equivalent(known, found) else found,
        }

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        with client.calls():
            client.admin.policy_add(id, policy=_document(inputs["policy"]))
        return {"name": id, "namePrefix": inputs.get("namePrefix"), "policy": inputs["policy"]}

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with suppress(Gone), client.calls():
            client.admin.policy_remove(id)


def _document(policy: str) -> dict[str, Any]:
    try:
        document = json.loads(policy)
    except ValueError as error:
        raise CheckError("policy", f"the policy is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise CheckError("policy", "the policy must be a JSON object with a list 'Statement'")
    return document


class IamUser(ResourceType):
    """minio:index/iamUser:IamUser (pulumi-minio 0.17.1, over aminueza/terraform-provider-minio).

    MinIO never tells a user's secret, so a refresh cannot see that it changed; it does see a user that was disabled.
    Tags live in the state alone, as in the official plugin.
    """

    token = "minio:index/iamUser:IamUser"
    properties = {
        "name": Prop(str, auto_name=True, replaces=True),
        "secret": Prop(str, computed=True, secret=True),
        "disableUser": Prop(bool, implied=False),
        "forceDestroy": Prop(bool, implied=False),
        "updateSecret": Prop(bool, implied=False),
        "tags": Prop(dict, of=str),
        "status": Prop(str, output=True, volatile=True),
    }

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        secret = inputs.get("secret") or _new_secret()
        return name, _set_user(client, name, inputs, secret)

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        found = _user(client, id)
        if found is None:
            return None
        return _user_outputs(id, state, state.get("secret"), found["status"])

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        secret = inputs.get("secret") or state.get("secret")  # none: the user was imported
        return _set_user(client, id, inputs, _new_secret() if inputs.get("updateSecret") else secret)

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with suppress(Gone), client.calls():
            client.admin.user_remove(id)


def _new_secret() -> str:
    return secrets.token_urlsafe(30)  # 40 characters, the most that MinIO's console takes


def _set_user(client: "Server", name: str, inputs: dict[str, Any], secret: str | None) -> dict[str, Any]:
    disabled = bool(inputs.get("disableUser"))
    with client.calls():
        if secret:
            client.admin.user_add(name, secret)  # of a user who is there already it sets the secret
        (client.admin.user_disable if disabled else client.admin.user_enable)(name)
    return _user_outputs(name, inputs, secret, "disabled" if disabled else "enabled")


def _user(client: "Server", name: str) -> dict[str, Any] | None:

    try:
        with client.calls():
            return json.loads(client.admin.user_info(name))
    except Gone:
        return None


def _user_outputs(name: str, inputs: dict[str, Any], secret: str | None, status: str) -> dict[str, Any]:
    return {
        "name": name,
        "secret": secret,
        "disableUser": status == "disabled",
        "forceDestroy": bool(inputs.get("forceDestroy")),
        "updateSecret": bool(inputs.get("updateSecret")),
        "tags": inputs.get("tags"),
        "status": status,
    }


class IamUserPolicyAttachment(ResourceType):
    """minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment (pulumi-minio 0.17.1, over the same).

    Its id is the user and a time stamp, so an import names it `user/policy` and is given such an id.
    """

    token = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"
    properties = {
        "userName": Prop(str, required=True, replaces=True),
        "policyName": Prop(str, required=True, replaces=True),
    }

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        user, policy = inputs["userName"], inputs["policyName"]
        if policy not in _policies(client, user):
            try:
                with client.calls():
                    client.admin.attach_policy([policy], user=user)
            except Gone as missing:
                raise ProviderError(f"policy {policy} cannot be attached to user {user}: {missing}") from None
        return unique(f"{user}-"), {"userName": user, "policyName": policy}

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        if state:
            user, policy = state["userName"], state["policyName"]
            found = {"userName": user, "policyName": policy}
        else:
            user, slash, policy = id.partition("/")
            if not slash:
                raise ProviderError(f"'{id}' names no attachment; an import takes USER/POLICY")
            found = {"id": unique(f"{user}-"), "userName": user, "policyName": policy}
        return found if policy in _policies(client, user) else None

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with suppress(Gone), client.calls():
            client.admin.detach_policy([state["policyName"]], user=state["userName"])


def _policies(client: "Server", user: str) -> list[str]:
    found = _user(client, user) or {}
    return str(found.get("policyName", "")).split(",")
