"""When two policy texts mean the same."""

import json
from typing import Any

_LISTS = {"Action", "NotAction", "Resource", "NotResource"}


def equivalent(one: str, other: str) -> bool:
    """Whether two JSON policies say the same, whatever their layout and order, or one word for a list of one."""
    try:
        return _meaning(json.loads(one)) == _meaning(json.loads(other))
    except ValueError:
        return False


def _meaning(policy: Any) -> Any:
    if not isinstance(policy, dict):
        return policy
    statements = policy.get("Statement", [])
    meanings = [_statement(item) for item in (statements if isinstance(statements, list) else [statements])]
    return {
        **{key: value for key, value in policy.items() if value and key != "Statement"},
        "Statement": sorted(meanings, key=lambda meaning: json.dumps(meaning, sort_keys=True)),
    }


def _statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    kept = {key: value for key, value in statement.items() if value not in ("", None, {}, [])}
    return {key: _normal(key, value) for key, value in kept.items()}


def _normal(key: str, value: Any) -> Any:
    if key in _LISTS:
        return _set(value)
    if key == "Condition":
        return {test: {name: _set(values) for name, values in tests.items()} for test, tests in value.items()}
    if key in ("Principal", "NotPrincipal"):
        return {"AWS": ["*"]} if value == "*" else {kind: _set(names) for kind, names in value.items()}
    return value


def _set(value: Any) -> list[str]:
    return sorted({str(item) for item in (value if isinstance(value, list) else [value])})
