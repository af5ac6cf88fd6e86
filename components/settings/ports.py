"""The ports of the host."""

from typing import Self

from pydantic import model_validator

from components.settings.values import Port, Strict


class Ports(Strict):
    """Host ports: four public ones of the gateway, three on loopback through which Pulumi administers the servers."""

    mlflow: Port = 5000
    keycloak: Port = 8080
    s3: Port = 9000
    console: Port = 9001
    admin_postgres: Port = 15432
    admin_keycloak: Port = 18080
    admin_minio: Port = 19000

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        users: dict[int, list[str]] = {}
        for user, port in self.model_dump().items():
            users.setdefault(port, []).append(user)
        for port, names in users.items():
            if len(names) > 1:
                raise ValueError(f"{' and '.join(names)} are both {port}; each port may be used once")
        return self
