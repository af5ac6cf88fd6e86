"""The ports of the host."""

from typing import Self

from pydantic import model_validator

from components.settings.values import Port, Strict


class Ports(Strict):
    """Ports of the host, each used once: four public ones, three by which Pulumi administers the servers."""

    mlflow: Port = 5000
    """MLflow, public."""
    keycloak: Port = 8080
    """Keycloak's logins, public."""
    s3: Port = 9000
    """MinIO's S3, public."""
    console: Port = 9001
    """MinIO's console, public."""
    admin_postgres: Port = 15432
    """PostgreSQL, on loopback."""
    admin_keycloak: Port = 18080
    """Keycloak with its administration, on loopback."""
    admin_minio: Port = 19000
    """MinIO past the gateway, on loopback."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        users: dict[int, list[str]] = {}
        for user, port in self.model_dump().items():
            users.setdefault(port, []).append(user)
        for port, names in users.items():
            if len(names) > 1:
                raise ValueError(f"{' and '.join(names)} are both {port}; each port may be used once")
        return self
