"""What single values may be, and what every node of the tree has in common."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"^({_LABEL}\.)*[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?$"  # an address is none

# What the realm has already: the platform's clients and Keycloak's.
_CLIENTS = frozenset({"mlflow", "mlflow-client", "minio"}) | {
    "account",
    "account-console",
    "admin-cli",
    "broker",
    "realm-management",
    "security-admin-console",
}


def spelled_out(key: str) -> Callable[[Any], Any]:
    """Of one of several mappings, which `key` tells apart: its name alone is the mapping that says nothing else."""
    return lambda value: {key: value} if isinstance(value, str) else value


def told_by(key: str) -> Callable[[Any], Any]:
    """Which of several mappings it is, read or parsed."""
    return lambda value: value.get(key) if isinstance(value, dict) else getattr(value, key, None)


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError(f"needs an IPv4 address of this machine, or 0.0.0.0, but it is {value!r}") from None


def _subnet(value: str) -> str:
    try:
        return str(IPv4Network(value))
    except ValueError:
        raise ValueError(
            f"needs an IPv4 address or a network such as 10.0.8.0/24, without bits beyond the mask, but it is {value!r}"
        ) from None


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment or parts.query:
        raise ValueError(f"needs an address that begins with https://, but it is {value!r}")
    return value


def _storage_seconds(value: Any) -> int | None:
    if value == "token":
        return None
    if type(value) is int and 900 <= value <= 43200:
        return value
    raise ValueError(f"needs 900 to 43200 seconds, or token, but it is {value!r}")


def _bucket(value: str) -> str:
    if value == "minio":
        raise ValueError("needs another name than 'minio', whose paths are MinIO's own")
    return value


def _workspace(value: str) -> str:
    if value in ("workspaces", "api", "ajax-api", "static-files"):
        raise ValueError(f"needs another name than {value!r}, which is a part of MLflow's own addresses")
    return value


def _new_client(value: str) -> str:
    if value in _CLIENTS:
        raise ValueError(f"needs a name that the realm has no client of yet, but {value!r} is one of its own")
    return value


# Names end up in container names, group names and policy names.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]
Workspace = Annotated[Slug, Field(min_length=2), AfterValidator(_workspace)]
Username = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
DomainName = Annotated[
    str, Field(pattern=_DOMAIN, max_length=240, json_schema_extra={"format": "hostname"})
]  # names of sites are made with it
Email = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$", json_schema_extra={"format": "email"})
]
Text = Annotated[
    str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", json_schema_extra={"format": "text"})
]  # one line
File = Annotated[str, Field(min_length=1, json_schema_extra={"format": "path"})]
Folder = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/@+-]+$")]
HostKey = Annotated[str, Field(pattern=r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/=]+$")]
Subnet = Annotated[str, Field(json_schema_extra={"format": "subnet"}), AfterValidator(_subnet)]
WebAddress = Annotated[
    str, Field(json_schema_extra={"format": "uri", "pattern": "^https://"}), AfterValidator(_web_address)
]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"), AfterValidator(_bucket)]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9!_.()-][A-Za-z0-9!_.()/-]*/$")]  # no wildcards, no policy variables
ClientName = Annotated[Slug, AfterValidator(_new_client)]
StorageSeconds = Annotated[
    int | None,
    PlainValidator(_storage_seconds, json_schema_input_type=Annotated[int, Field(ge=900, le=43200)] | Literal["token"]),
]  # 900 is the least that STS takes
Address = Annotated[str, Field(json_schema_extra={"format": "ipv4"}), AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    """A node of the tree: no unknown key, nothing changes after reading.

    What stands below a key says to its users what it means, in `docs/settings.md` and in their editors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
