"""What the resource types of this package have in common: one object of the admin API each."""

from collections.abc import Mapping
from typing import Any, ClassVar

from offline.providers.base import CheckError, Prop, ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import DURATION, Field, decode, encode
from offline.providers.values import UNKNOWN


def properties_of(fields: Mapping[str, Field], **others: Prop) -> dict[str, Prop]:
    """The properties of a type: those with a place in the representation, and others."""
    return {name: field.prop for name, field in fields.items()} | others


def list_of(items: str, owner: str) -> dict[str, Prop]:
    """The properties of a type that lists what an object has: all of that, or with `exhaustive` off some."""
    return {
        "realmId": Prop(str, required=True, replaces=True),
        owner: Prop(str, required=True, replaces=True),
        items: Prop(list, of=str, required=True, unordered=True),
        "exhaustive": Prop(bool, default=True),
    }


def realm_and(owner: str, token: str, id: str) -> tuple[str, str]:
    """What such a list's id says: the realm, and the owner's own id."""
    realm, _, own = id.partition("/")
    if not own or "/" in own:
        raise ProviderError(f"An import of {token} needs an id like realm/{owner}'s id, not '{id}'.")
    return realm, own


class AdminObject(ResourceType):
    """An object with a representation; `fields` says how its properties lie in it.

    remembered   properties the server does not tell, with what an import assumes; the state keeps what the program said
    unsupported  inputs of the official plugin that only it can do, refused by `check`
    """

    fields: ClassVar[Mapping[str, Field]]
    remembered: ClassVar[Mapping[str, Any]] = {}
    unsupported: ClassVar[frozenset[str]] = frozenset()
    import_format: ClassVar[str] = "realm/id"

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The path of the collection that the object is in, from its inputs or state."""
        raise NotImplementedError

    def locate(self, id: str) -> tuple[dict[str, Any], str] | None:
        """What an import's id says of the object, and its own id; None when the id has another format."""
        realm, _, own = id.partition("/")
        return ({"realmId": realm}, own) if own and "/" not in own else None

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(self.unsupported & inputs.keys()):
            if inputs[name] is not False:
                raise CheckError(
                    name, f"'{name}' is not supported by the offline engine; leave it out or use the official one"
                )
        for name, field in self.fields.items():
            if field.kind is DURATION and inputs.get(name) not in (None, UNKNOWN):
                check_duration(name, inputs[name])
        return inputs

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        id = client.create(*self.parent(inputs), body=self.body(client, "", inputs, None))
        return id, self.outputs(client, id, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        if not state:
            located = self.locate(id)
            if not located:
                raise ProviderError(f"An import of {self.token} needs an id like {self.import_format}, not '{id}'.")
            state, id = located
        representation = client.get(*self.parent(state), id)
        return representation and {**self.told(client, representation, state), "id": id}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        client.put(*self.parent(state), id, body=self.body(client, id, inputs, state))
        return self.outputs(client, id, inputs)

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        client.delete(*self.parent(state), id)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        """What is sent: all of a new object (no state), else only what the program decides."""
        return encode(self.fields, inputs, state)

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs that a representation means; `given` is the inputs or the state."""
        kept = {name: given.get(name, assumed) for name, assumed in self.remembered.items()}
        where = {name: given.get(name) for name in ("realmId", "clientId", "clientScopeId") if name in self.properties}
        return {**where, **kept, **decode(self.fields, representation, given)}

    def outputs(self, client: AdminApi, id: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """The outputs of an object that was written just now."""
        outputs = self.read(client, id, inputs)
        if outputs is None:
            raise ProviderError(
                f"{self.token} {id} vanished from Keycloak while it was being written; run the update again."
            )
        return outputs


def check_duration(name: str, value: str) -> None:
    try:
        DURATION.encode(value)
    except ValueError as error:
        raise CheckError(name, f"'{name}': {error}") from None


REALM = Prop(str, required=True, replaces=True)
