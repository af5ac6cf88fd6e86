"""keycloak:index/user:User.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/user.go, provider/resource_keycloak_user.go
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import CheckError, Prop, ProviderError
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, flag, multimap, strings, text
from offline.providers.keycloak.objects import AdminObject, properties_of
from offline.providers.values import UNKNOWN

FIELDS: dict[str, Field] = {
    "username": text(required=True, replaces=True),
    "email": text(),
    "emailVerified": flag(),
    "firstName": text(),
    "lastName": text(),
    "enabled": flag(default=True),
    "attributes": multimap(),
    "requiredActions": strings(quiet=True),
}


class User(AdminObject):
    """keycloak:index/user:User (pulumi-keycloak 6.14.1), without links to identity providers."""

    token = "keycloak:index/user:User"
    fields = FIELDS
    properties = properties_of(
        FIELDS,
        realmId=Prop(str, required=True, replaces=True),
        # Used when the user is made and never again: a later change is no difference.
        initialPassword=Prop(
            dict, of={"value": Prop(str, required=True), "temporary": Prop(bool)}, secret=True, write_only=True
        ),
        federatedIdentities=Prop(list),
        **{"import": Prop(bool, replaces=True)},
    )
    remembered = {"initialPassword": None, "federatedIdentities": [], "import": False}
    unsupported = frozenset({"federatedIdentities", "import"})
    import_format = "realm/user's id"

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "users"

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        name = inputs["username"]
        if name != UNKNOWN and name != name.lower():
            raise CheckError("username", f"'username' must be all lower case, not {name!r}")
        return super().check(inputs)

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        id = client.create(*self.parent(inputs), body=self.body(client, "", inputs, None))
        if password := inputs.get("initialPassword"):
            credential = {"type": "password", "value": password["value"], "temporary": password.get("temporary", False)}
            try:
                client.put(*self.parent(inputs), id, "reset-password", body=credential)
            except ProviderError:  # a user without the password must not stand in the way of the next attempt
                client.delete(*self.parent(inputs), id)
                raise
        return id, self.outputs(client, id, inputs)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        # A PUT with attributes is checked against the whole user profile, so it says all of the user.
        return super().body(client, id, inputs, None)
