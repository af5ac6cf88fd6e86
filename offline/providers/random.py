"""Stand-in for the random plugin (pulumi-random 4.21.4, over hashicorp/terraform-provider-random 3)."""

import secrets
import string
from typing import Any

from .base import CheckError, Prop, ResourceType, StandIn
from .server import serve

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


class RandomString(ResourceType):
    """random:index/randomString:RandomString; the id is the text itself, which is no secret.

    Source: internal/provider/resource_string.go and internal/random/string.go of hashicorp/terraform-provider-random.
    """

    token = "random:index/randomString:RandomString"
    properties = {
        "length": Prop(int, required=True, replaces=True),
        "lower": Prop(bool, implied=True, replaces=True),
        "upper": Prop(bool, implied=True, replaces=True),
        "special": Prop(bool, implied=True, replaces=True),
        "numeric": Prop(bool, computed=True, replaces=True),  # an older and a newer name of one setting:
        "number": Prop(bool, computed=True, replaces=True),  # either may be given, both are returned
        "minLower": Prop(int, implied=0, replaces=True),
        "minUpper": Prop(int, implied=0, replaces=True),
        "minNumeric": Prop(int, implied=0, replaces=True),
        "minSpecial": Prop(int, implied=0, replaces=True),
        "overrideSpecial": Prop(str, replaces=True),
        "keepers": Prop(dict, of=str, replaces=True),
        "result": Prop(str, output=True),
    }
    meta = '{"schema_version":"3"}'

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        minimum = sum(value for key, value in inputs.items() if key.startswith("min") and isinstance(value, int))
        if isinstance(inputs["length"], int) and inputs["length"] < max(1, minimum):
            raise CheckError("length", f"'length' must be at least {max(1, minimum)}, the sum of the min... properties")
        return inputs

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        made = _characters(inputs)
        return self._id(made), self._outputs(inputs, made)

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any]:
        return state or {**self._outputs({"length": len(id)}, id), "id": self._id(id)}

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        pass

    def _id(self, result: str) -> str:
        return result

    def _outputs(self, inputs: dict[str, Any], result: str) -> dict[str, Any]:
        implied = {
            "lower": True,
            "upper": True,
            "special": True,
            "numeric": True,
            "overrideSpecial": None,
            "keepers": None,
        }
        minimums = {"minLower": 0, "minUpper": 0, "minNumeric": 0, "minSpecial": 0}
        numeric = _numeric(inputs)
        return {**implied, **minimums, **inputs, "numeric": numeric, "number": numeric, "result": result}


class RandomPassword(RandomString):
    """random:index/randomPassword:RandomPassword; the id is always "none", an import names the password itself.

    Source: internal/provider/resource_password.go of hashicorp/terraform-provider-random.
    """

    token = "random:index/randomPassword:RandomPassword"
    properties = {
        **RandomString.properties,
        "result": Prop(str, output=True, secret=True),
        "bcryptHash": Prop(str, output=True, secret=True),
    }

    def _id(self, result: str) -> str:
        return "none"

    def _outputs(self, inputs: dict[str, Any], result: str) -> dict[str, Any]:
        import bcrypt  # takes a while to load, and only a new password needs it

        # bcrypt reads 72 bytes, and newer libraries refuse more than that
        hashed = bcrypt.hashpw(result.encode()[:72], bcrypt.gensalt(10)).decode()
        return {**super()._outputs(inputs, result), "bcryptHash": hashed}


def _numeric(inputs: dict[str, Any]) -> bool:
    return inputs.get("numeric", inputs.get("number", True))


def _characters(inputs: dict[str, Any]) -> str:
    """As many characters of each set as asked for, the rest from all allowed sets, in random order."""
    sets = {
        "Lower": (string.ascii_lowercase, inputs.get("lower", True)),
        "Upper": (string.ascii_uppercase, inputs.get("upper", True)),
        "Numeric": (string.digits, _numeric(inputs)),
        "Special": (inputs.get("overrideSpecial") or _SPECIAL, inputs.get("special", True)),
    }
    allowed = "".join(characters for characters, wanted in sets.values() if wanted)
    if not allowed:
        raise CheckError("special", "it needs at least one of 'lower', 'upper', 'numeric' and 'special'")
    chosen = [
        secrets.choice(characters) for name, (characters, _) in sets.items() for _ in range(inputs.get(f"min{name}", 0))
    ]
    chosen += [secrets.choice(allowed) for _ in range(inputs["length"] - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)


PROVIDER = StandIn("random", "4.21.4", [RandomPassword(), RandomString()])

if __name__ == "__main__":
    serve(PROVIDER)
