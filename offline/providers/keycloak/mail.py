"""A realm's mail server (keycloak/terraform-provider-keycloak v5.9.0, provider/resource_keycloak_realm.go)."""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import Prop
from offline.providers.keycloak.fields import QUOTED_FLAG, Field, decode, encode, text


def _flag(key: str) -> Field:
    """All of a mail server is text."""
    return Field(Prop(bool), QUOTED_FLAG, (key,), absent=False, quiet=False)


_FIELDS: dict[str, Field] = {
    "host": text(required=True),
    "port": text(),
    "from": text(required=True),
    "fromDisplayName": text(),
    "replyTo": text(),
    "replyToDisplayName": text(),
    "envelopeFrom": text(),
    "ssl": _flag("ssl"),
    "starttls": _flag("starttls"),
    "allowUtf8": _flag("allowutf8"),
}

SERVER: dict[str, Prop] = {
    **{name: field.prop for name, field in _FIELDS.items()},
    "auth": Prop(dict, of={"username": Prop(str, required=True), "password": Prop(str, required=True)}),
}


def sent(server: Mapping[str, Any] | None) -> dict[str, str]:
    """The representation; of a realm without a mail server it is empty."""
    if not server:
        return {}
    representation = encode(_FIELDS, server, None)
    auth = server.get("auth")
    login = {"user": auth["username"], "password": auth["password"]} if auth else {}
    return {**representation, "auth": "true" if auth else "false", **login}


def told(representation: Mapping[str, str] | None, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The outputs; Keycloak never shows the password, so it is taken for the one that was given."""
    if not representation:
        return None
    server = decode(_FIELDS, representation, {})
    if representation.get("auth") != "true":
        return {**server, "auth": None, "tokenAuth": None}
    password = ((given or {}).get("auth") or {}).get("password", "")
    return {**server, "auth": {"username": representation.get("user", ""), "password": password}, "tokenAuth": None}
