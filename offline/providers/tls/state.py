"""What the four types have in common: nothing but the state knows of them."""

from typing import Any

from ..base import ProviderError, ResourceType


class StateOnly(ResourceType):
    """A resource that is text in the state and nowhere else: never gone, never adrift, never to be imported."""

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any]:
        if not state:
            name = self.token.rsplit(":", 1)[-1]
            raise ProviderError(
                f"a tls {name} cannot be imported, only a state holds it; let the program make a new one"
            )
        return state

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        pass


def digest(der: bytes) -> str:
    """The id of what has no serial number; it is upstream's, which trims white space off the bytes as if of a text.

    Source: hashForState in internal/provider/common.go of hashicorp/terraform-provider-tls.
    """
    import hashlib

    return hashlib.sha1(der.strip(), usedforsecurity=False).hexdigest()
