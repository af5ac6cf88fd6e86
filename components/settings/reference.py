"""All settings, made from the tree: a page for people, and a JSON Schema by which editors know a stack's file.

`python -m components.settings.reference` writes both, after each change of the tree.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from components.settings.backup import Keep
from components.settings.directory import Attributes
from components.settings.reading import KINDS, MODES, PROVIDERS
from components.settings.teams import BucketAccess, ServiceClient, Team
from components.settings.tree import Settings
from components.settings.values import Strict

DOCS = Path(__file__).parents[2] / "docs"
PROJECT = "mlflow-platform"

_HEAD = """\
# Settings

All that `Pulumi.<stack>.yaml` may say, each key with `mlflow-platform:` before it. A key or a value that is not allowed
stops `preview` and `up`, with its name and what is allowed. All keys are optional but `teams`. Editors read the same
from `docs/settings.schema.json`: the first line of `Pulumi.dev.yaml` is how.

This page is made from `components/settings/`, by `python -m components.settings.reference`.
"""
_FORMATS = {
    "dn": "an entry's name (`ou=people,dc=example,dc=org`)",
    "email": "an e-mail address",
    "hostname": "a domain name",
    "ipv4": "an IPv4 address",
    "ldap": "an address that begins with `ldaps://` or `ldap://`",
    "path": "a file",
    "subnet": "an IPv4 network",
    "text": "a line of text",
    "uri": "an address that begins with `https://`",
}
_FROM_ELSEWHERE = ("prefix", "images")  # their defaults are no part of the tree


def page() -> str:
    """The page, as Markdown."""
    nodes = [("", Settings), *_nodes(Settings), ("teams.<name>", Team), ("teams.<name>.storage", BucketAccess)]
    nodes += [("service_clients.<name>", ServiceClient), ("directory.attributes", Attributes)]
    nodes += [(f"tls` with mode `{mode}", node) for mode, node in MODES.items()]
    nodes += [(f"identity_providers.<name>` with kind `{kind}", node) for kind, node in PROVIDERS.items()]
    nodes += [("backup.keep", Keep), *((f"backup.to` with kind `{kind}", node) for kind, node in KINDS.items())]
    return "\n".join([_HEAD, *(_table(place, node) for place, node in nodes)])


def schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of a whole stack file; what one key means for another, it does not know."""
    tree = _untitled(Settings.model_json_schema())
    properties = {f"{PROJECT}:{key}": _at_the_top(value) for key, value in tree["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": tree["description"],
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [f"{PROJECT}:{key}" for key in tree["required"] if key not in _FROM_ELSEWHERE],
                "properties": properties,
                "propertyNames": {"anyOf": [{"enum": list(properties)}, {"not": {"pattern": f"^{PROJECT}:"}}]},
            }
        },
        "$defs": tree["$defs"],
    }


def _nodes(model: type[Strict]) -> Iterator[tuple[str, type[Strict]]]:
    for key, field in model.model_fields.items():
        choices = get_args(field.annotation)
        for kind in choices if type(None) in choices else [field.annotation]:  # of one that may be left out, too
            if isinstance(kind, type) and issubclass(kind, Strict):
                yield key, kind


def _table(place: str, node: type[Strict]) -> str:
    described = node.model_json_schema()
    title = f"## `{place}`\n{described['description']}\n" if place else "## A stack\n"
    head = "| key | value | default | meaning |\n|---|---|---|---|"
    rows = [_row(key, value, key in described.get("required", [])) for key, value in described["properties"].items()]
    return "\n".join([title, head, *rows, ""])


def _row(key: str, value: dict[str, Any], required: bool) -> str:
    if "$ref" in value:
        return f"| `{key}` | see below | | |"
    default = "see there" if key in _FROM_ELSEWHERE else "" if required else _code(value["default"])
    meaning = " ".join(value["description"].split())
    return f"| `{key}` | {_allowed(value)} | {default} | {meaning} |"


def _allowed(value: dict[str, Any]) -> str:
    match value:
        case {"anyOf": [*choices]} if all("$ref" in choice for choice in choices[1:]):
            return f"{_allowed(choices[0])}, or a mapping, see below"
        case {"anyOf": choices}:
            return ", or ".join(_allowed(choice) for choice in choices if choice != {"type": "null"})
        case {"enum": names}:
            return ", ".join(_code(name) for name in names)
        case {"const": name}:
            return _code(name)
        case {"minimum": least, "maximum": most}:
            return f"{least} to {most}"
        case {"items": item}:
            return f"list of: {_allowed(item)}"
        case {"patternProperties": of} if all("enum" in value for value in of.values()):
            return f"a mapping of names to {', '.join(map(_allowed, of.values()))}"
        case {"patternProperties": _}:
            return "mapping of names, see below"
        case {"format": format}:
            return _FORMATS[format]
        case {"pattern": pattern}:
            return _code(pattern.replace("|", "\\|"))
        case {"type": "boolean"}:
            return "`true`, `false`"
        case _:
            return "a mapping, see below"


def _code(value: Any) -> str:
    if value in ([], {}, None):
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _untitled(value: Any) -> Any:
    """Without titles, which repeat the keys; and a mapping of names has no others."""
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    closed = {"additionalProperties": False} if "patternProperties" in value else {}
    return {key: _untitled(item) for key, item in value.items() if key != "title" or isinstance(item, dict)} | closed


def _at_the_top(value: dict[str, Any]) -> dict[str, Any]:
    """What Pulumi itself writes there, by `pulumi config set`, is text."""
    if value.get("type") != "boolean":
        return value
    return {**value, "type": ["boolean", "string"], "enum": [True, False, "true", "false"]}


if __name__ == "__main__":
    (DOCS / "settings.md").write_text(page())
    (DOCS / "settings.schema.json").write_text(json.dumps(schema(), indent=2) + "\n")
