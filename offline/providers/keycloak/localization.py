"""Texts of a realm's pages.

keycloak/terraform-provider-keycloak v5.9.0: provider/resource_keycloak_realm_localization.go
"""

from typing import Any

from offline.providers.base import Prop, ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.objects import REALM, realm_and


class RealmLocalization(ResourceType):
    """keycloak:index/realmLocalization:RealmLocalization (pulumi-keycloak 6.14.1): all of a language."""

    token = "keycloak:index/realmLocalization:RealmLocalization"
    properties = {
        "realmId": REALM,
        "locale": Prop(str, required=True, replaces=True),
        "texts": Prop(dict, of=str),
    }
    delete_before_replace = True

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        id = f"{inputs['realmId']}/{inputs['locale']}"
        return id, self.update(client, id, {}, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        realm, locale = realm_and("locale", self.token, id)
        texts = client.get(realm, "localization", locale)
        return {"realmId": realm, "locale": locale, "texts": texts} if texts else None

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        realm, locale, texts = inputs["realmId"], inputs["locale"], inputs.get("texts") or {}
        if client.get(realm) is None:
            raise ProviderError(f"There is no realm {realm} to have texts; make it first.")
        for key in sorted((client.get(realm, "localization", locale) or {}).keys() - texts.keys()):
            client.delete(realm, "localization", locale, key)
        client.add(realm, "localization", locale, body=texts)
        return {"realmId": realm, "locale": locale, "texts": texts}

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        client.delete(state["realmId"], "localization", state["locale"])
