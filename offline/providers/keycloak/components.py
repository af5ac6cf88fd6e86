"""Components of a realm: objects whose settings Keycloak keeps as lists of texts, of one text each here."""

from collections.abc import Mapping
from typing import Any, ClassVar

from offline.providers.base import Prop
from offline.providers.keycloak import durations
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, Kind, text
from offline.providers.keycloak.objects import AdminObject, check_duration
from offline.providers.values import UNKNOWN

CONFIG = "config"

_LIST = Kind(", ".join, lambda joined: [part.strip() for part in joined.split(",") if part.strip()], [])
_MILLISECONDS = Kind(
    lambda duration: str(1000 * durations.to_seconds(duration)),
    lambda milliseconds: durations.from_seconds(int(milliseconds) // 1000),
    "",
)


def words(key: str, **options: Any) -> Field:
    """A list, written with commas."""
    return Field(Prop(list, of=str, **options), _LIST, (CONFIG, key), [], quiet=False)


def milliseconds(key: str) -> Field:
    return Field(Prop(str, same=_as_long), _MILLISECONDS, (CONFIG, key), "", quiet=True)


def _as_long(one: str, other: str) -> bool:
    return one == other or bool(one and other and durations.same(one, other))


def choice(key: str, values: Mapping[str, str], **options: Any) -> Field:
    """One of the plugin's words, for which Keycloak has others."""
    meant = {value: word for word, value in values.items()}
    kind = Kind(lambda word: values.get(word, word), lambda value: meant.get(value, value), "")
    return Field(Prop(str, **options), kind, (CONFIG, key), "", quiet=False)


class Component(AdminObject):
    """A component of a sort; `fields` lie in its `config`, but for the name."""

    provider_id: ClassVar[str]
    provider_type: ClassVar[str]
    fields: ClassVar[Mapping[str, Field]] = {"name": text(auto_name=True)}
    delete_before_replace = True

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "components"

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        for name, field in self.fields.items():
            if field.kind is _MILLISECONDS and inputs.get(name) not in (None, UNKNOWN):
                check_duration(name, inputs[name])
        return super().check(inputs)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, inputs, None)
        # A PUT leaves what it does not name as it was.
        config = {field.path[1]: [] for field in self.fields.values() if field.path and not field.prop.computed}
        config |= {key: [value] for key, value in body.get(CONFIG, {}).items()}
        return {**body, "providerId": self.provider_id, "providerType": self.provider_type, CONFIG: config}

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        config = {key: values[0] for key, values in (representation.get(CONFIG) or {}).items() if values}
        return super().told(client, {**representation, CONFIG: config}, given)
