"""Paths of Keycloak's that are not for the public, as somebody would write them who wants past the gateway."""

import re
import socket

_NOT_FOR_THE_PUBLIC = [
    "/admin",
    "/admin/",
    "/admin/master/console/",
    "/admin/mlflow/console/",
    "/admin/realms",
    "/admin/serverinfo",
    "/health",
    "/health/ready",
    "/metrics",
    "/q/metrics",
    "/realms",
    "/realms/",
    "/realms/master",
    "/realms/master/",
    "/realms/master/account/",
    "/realms/master/protocol/openid-connect/auth",
    "/realms/master/protocol/openid-connect/token",
    "/realms/master/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/realms/master",
    "/resources/master/admin/en",
    "/resources/master/login/en",
    "/resources/mlflow/admin/en",
    "/resources/0/admin/keycloak.v2/logo.svg",
    # Another realm that an administrator has made, and one called nearly like ours.
    "/realms/other",
    "/realms/other/protocol/openid-connect/auth",
    "/realms/mlflow-evil",
    "/realms/mlflow-evil/account",
    "/realms/mlflowaccount",
    "/realms/MLFLOW",
    # Ours, but nobody logs in there.
    "/realms/mlflow/admin",
    "/realms/mlflow/accounts",
    "/realms/mlflow/authz/protection/permission",
    "/realms/mlflow/clients-managements/register-node",
    "/realms/mlflow/clients-registrations/default",
    "/realms/mlflow/clients-registrations/openid-connect",
    "/realms/mlflow/protocol/docker-v2/auth",
    "/realms/mlflow/protocol/saml",
    "/realms/mlflow/protocol/saml/descriptor",
]
_WANTED = ["/admin/", "/admin/master/console/", "/realms/master", "/realms/master/protocol/openid-connect/auth"]
_WANTED += ["/realms/mlflow/clients-registrations/openid-connect", "/resources/master/admin/en", "/metrics"]

# A way up, for each way to write a dot and a slash that some server takes for one.
_UP = ["..", ".%2e", "%2e%2e", "%2E%2E", "%252e%252e", "..;", "..;x=y", "%2e%2e;", ".;/..", "..%00", "%c0%ae%c0%ae"]
_UP += ["..\\", "%uff0e%uff0e", "\uff0e\uff0e", "...", "..%20", "..%09"]
_SLASH = ["%2f", "%2F", "%252f", "\\", "%5c", "//", "/./", "/;/", "/%2e/", "%c0%af", "\uff0f"]


def _disguises(wanted: str) -> list[str]:
    first, rest = wanted[1:].split("/", 1) if "/" in wanted[1:] else (wanted[1:], "")
    tail = f"/{rest}" if rest else ""
    outside = f"/realms/mlflow/account/{{up}}/{{up}}/{{up}}{wanted}"
    return [
        *(outside.format(up=up) for up in _UP),
        *(f"/resources/0/login/x/{up}/{up}/{up}/{up}{wanted}" for up in _UP),
        *(f"/{up}{wanted}" for up in _UP),
        *(f"/realms/mlflow{slash}..{slash}..{slash}{wanted[1:]}" for slash in _SLASH),
        *(slash + wanted[1:].replace("/", slash) for slash in _SLASH),
        *(f"/{first}{slash}{rest}" for slash in _SLASH if rest),
        f"/{first[0].upper()}{first[1:]}{tail}",
        wanted.upper(),
        f"/%{ord(first[0]):02x}{first[1:]}{tail}",
        f"/%25{ord(first[0]):02x}{first[1:]}{tail}",
        "".join(f"%{ord(letter):02x}" if letter != "/" else letter for letter in wanted),
        "/" + "".join(f"%{ord(letter):02X}" for letter in wanted[1:]),
        f"/{first};x=y{tail}",
        f"/;x{wanted}",
        f"{wanted};/realms/mlflow/account",
        f"{wanted}?/realms/mlflow/account",
        f"{wanted}#/realms/mlflow/account",
        f"{wanted}%3f/realms/mlflow/account",
        f"{wanted}%23",
        f"{wanted}%00",
        f"{wanted}\0",
        f"/realms/mlflow/account\0/../../..{wanted}",
        f"/realms/mlflow/account%00/../../..{wanted}",
        f"/realms/mlflow/account%0d%0aX: y{wanted}",
        f"/realms/mlflow/account\t/../../..{wanted}",
        f"//localhost{wanted}",
        f"http://keycloak:8080{wanted}",
        f"http://localhost:18080{wanted}",
        f"http://admin@keycloak:8080{wanted}",
        f"HTTP://localhost{wanted}",
        f"http://localhost/realms/mlflow/account/../../..{wanted}",
        f"https://localhost{wanted}",
        wanted[1:],
    ]


DISGUISED = [
    *_NOT_FOR_THE_PUBLIC,
    *(disguise for wanted in _WANTED for disguise in _disguises(wanted)),
    "/realms/mlflow/..;/master",
    "/realms/mlflow/../master",
    "/realms/mlflow/%2e%2e/master",
    "/realms/mlflow;x/../master",
    "/realms/mlflow%2f..%2fmaster/",
    "/realms/mlflow/../mlflow/clients-registrations/openid-connect",
    "/realms/./mlflow",
    "/realms//mlflow",
    "//realms/mlflow",
    "/realms/mlflow;x",
    "/realms/mlflow/account;x/",
    "/realms/ml%66low",
    "/realms/mlflow/account/.",
    "/realms/mlflow/account/..",
    "/realms/mlflow/account/../account",
    "/realms/mlflow/account//",
]
"""None of these is answered with anything of Keycloak's."""


def ask(port: int, target: str, *headers: str, method: str = "GET") -> tuple[int, str]:
    """Sends a request's target to the letter, and reads to the end: the status (0 for none), and all that came."""
    lines = [f"{method} {target} HTTP/1.1", *(headers or [f"Host: localhost:{port}"]), "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode())
        said = b""
        while part := connection.recv(65536):
            said += part
    status = re.match(rb"HTTP/1\.\d (\d{3}) ", said)
    return int(status[1]) if status else 0, said.decode(errors="replace")
