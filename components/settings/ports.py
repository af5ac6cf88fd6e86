"""The ports of the host."""

from collections.abc import Iterable

from components.settings.values import Port, Strict

BY_SITE = {"mlflow": "mlflow", "login": "keycloak", "s3": "s3", "console": "console"}
"""What a site's own port is called here, where it has one."""
SHARED = ("http", "https")


class Ports(Strict):
    """Ports of the host, each used once: the public ones, and three by which Pulumi administers the servers."""

    mlflow: Port = 5000
    """MLflow, public, on a stack without domains."""
    keycloak: Port = 8080
    """Keycloak's logins, public, on a stack without domains."""
    s3: Port = 9000
    """MinIO's S3, public, on a stack without domains."""
    console: Port = 9001
    """MinIO's console, public, on a stack without domains."""
    https: Port = 443
    """All sites, public, on a stack with domains."""
    http: Port = 80
    """All sites, public, on a stack with domains: where it has TLS, to send browsers on to https."""
    admin_postgres: Port = 15432
    """PostgreSQL, on loopback."""
    admin_keycloak: Port = 18080
    """Keycloak with its administration, on loopback."""
    admin_minio: Port = 19000
    """MinIO past the gateway, on loopback."""

    def used_twice(self, unused: Iterable[str]) -> str | None:
        """The complaint about the first port that two of those that are used have."""
        users: dict[int, list[str]] = {}
        for user, port in self.model_dump(exclude=set(unused)).items():
            users.setdefault(port, []).append(user)
        for port, names in users.items():
            if len(names) > 1:
                return f"{' and '.join(names)} are both {port}; each port may be used once"
        return None
