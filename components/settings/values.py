"""What single values may be, and what every node of the tree has in common."""

from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

# What the realm has already: the platform's clients and Keycloak's.
_CLIENTS = frozenset({"mlflow", "mlflow-client", "minio"}) | {
    "account",
    "account-console",
    "admin-cli",
    "broker",
    "realm-management",
    "security-admin-console",
}


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError(f"needs an IPv4 address of this machine, or 0.0.0.0, but it is {value!r}") from None


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


def _new_client(value: str) -> str:
    if value in _CLIENTS:
        raise ValueError(f"needs a name that the realm has no client of yet, but {value!r} is one of its own")
    return value


# Names end up in container names, group names and policy names.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]
Username = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"), AfterValidator(_bucket)]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9!_.()-][A-Za-z0-9!_.()/-]*/$")]  # no wildcards, no policy variables
ClientName = Annotated[Slug, AfterValidator(_new_client)]
StorageSeconds = Annotated[
    int | None,
    PlainValidator(_storage_seconds, json_schema_input_type=Annotated[int, Field(ge=900, le=43200)] | Literal["token"]),
]  # 900 is the least that STS takes
Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    """A node of the tree: no unknown key, nothing changes after reading.

    What stands below a key says to its users what it means, in `docs/settings.md` and in their editors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
