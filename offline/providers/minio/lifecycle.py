"""What a bucket does with its objects as they age."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError, ResourceType
from ..values import UNKNOWN
from .common import Gone

if TYPE_CHECKING:
    from minio.lifecycleconfig import Expiration, Rule

    from .server import Server

_MARKER = "DeleteMarker"
_DAYS, _DATE = re.compile(r"([1-9]\d*)d"), "%Y-%m-%d"
_EXPIRATION = f"an expiration is a number of days ('5d'), a date ('1970-01-31') or '{_MARKER}'"


class IlmPolicy(ResourceType):
    """minio:index/ilmPolicy:IlmPolicy (pulumi-minio 0.17.1, over aminueza/terraform-provider-minio).

    The rules are all that the bucket has. Unlike with the official plugin an update that is refused is an error, and a
    refresh sees a rule that was turned off.
    """

    token = "minio:index/ilmPolicy:IlmPolicy"
    properties = {
        "bucket": Prop(str, required=True, replaces=True),
        "rules": Prop(
            list,
            of={
                "id": Prop(str, required=True),
                "expiration": Prop(str),
                "filter": Prop(str),
                "noncurrentVersionExpirationDays": Prop(int),
                "status": Prop(str),
                "tags": Prop(dict, of=str),
            },
            required=True,
        ),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        rules = inputs["rules"] if isinstance(inputs["rules"], list) else []
        for number, rule in enumerate(rules):
            if not isinstance(rule, dict):
                continue
            days, expiration = rule.get("noncurrentVersionExpirationDays"), rule.get("expiration")
            if isinstance(days, int) and days < 1:
                raise CheckError(f"rules[{number}].noncurrentVersionExpirationDays", "a number of days is at least 1")
            if expiration not in (None, UNKNOWN):
                _expiration(f"rules[{number}].expiration", expiration)
            if rule.get("status"):
                raise CheckError(f"rules[{number}].status", "every rule is 'Enabled'; leave the status out")
            if days is None and expiration is None:
                raise CheckError(
                    f"rules[{number}]",
                    f"rule {rule['id']} says nothing; give it an expiration or noncurrentVersionExpirationDays",
                )
        return inputs

    def comparable(self, state: dict[str, Any]) -> dict[str, Any]:
        """A rule that is on is as the program has it, which never says so."""
        rules = [{**rule, "status": None} if rule["status"] == "Enabled" else rule for rule in state.get("rules") or []]
        return {**state, "rules": rules}

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return inputs["bucket"], self.update(client, inputs["bucket"], {}, inputs)

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        try:
            with client.calls():
                found = client.s3.get_bucket_lifecycle(id)
        except Gone:
            return None
        return {"bucket": id, "rules": [_told(rule) for rule in found.rules]} if found else None

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        from minio.lifecycleconfig import LifecycleConfig

        with client.calls():
            if not client.s3.bucket_exists(id):  # MinIO would keep the rules of a bucket that is not there
                raise ProviderError(f"there is no bucket {id} to set the lifecycle of; make it first")
            client.s3.set_bucket_lifecycle(id, LifecycleConfig([_rule(rule) for rule in inputs["rules"]]))
        return {"bucket": id, "rules": [_told(_rule(rule)) for rule in inputs["rules"]]}

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with suppress(Gone), client.calls():
            client.s3.delete_bucket_lifecycle(id)


def _rule(wanted: dict[str, Any]) -> "Rule":
    from minio.commonconfig import ENABLED, AndOperator, Filter, Tags
    from minio.lifecycleconfig import NoncurrentVersionExpiration, Rule

    prefix, days = wanted.get("filter") or "", wanted.get("noncurrentVersionExpirationDays")
    tags = Tags()
    tags.update(wanted.get("tags") or {})
    return Rule(
        ENABLED,
        rule_filter=Filter(and_operator=AndOperator(prefix, tags)) if tags else Filter(prefix=prefix),
        rule_id=wanted["id"],
        expiration=_expiration("rules", wanted["expiration"]) if wanted.get("expiration") else None,
        noncurrent_version_expiration=NoncurrentVersionExpiration(days) if days else None,
    )


def _expiration(path: str, text: str) -> "Expiration":
    from minio.lifecycleconfig import Expiration

    if text == _MARKER:
        return Expiration(expired_object_delete_marker=True)
    if days := _DAYS.fullmatch(text):
        return Expiration(days=int(days[1]))
    try:
        return Expiration(date=datetime.strptime(text, _DATE).replace(tzinfo=UTC))
    except ValueError:
        raise CheckError(path, f"{_EXPIRATION}, not {text!r}") from None


def _told(rule: "Rule") -> dict[str, Any]:
    """A rule as the official plugin tells it: nothing is an empty text, or left out where it is a number."""
    expires, versions, of = rule.expiration, rule.noncurrent_version_expiration, rule.rule_filter
    expiration = ""
    if expires and expires.expired_object_delete_marker:
        expiration = _MARKER
    elif expires and expires.days:
        expiration = f"{expires.days}d"
    elif expires and expires.date:
        expiration = expires.date.strftime(_DATE)
    combined = of.and_operator if of else None
    return {
        "id": rule.rule_id,
        "expiration": expiration,
        "filter": (combined.prefix if combined else of.prefix if of else None) or "",
        "noncurrentVersionExpirationDays": versions.noncurrent_days or 0 if versions else 0,
        "status": rule.status,
        "tags": dict((combined.tags if combined else None) or {}),
    }
