"""The two kinds of cookie: one that holds a session's id, and one per login under way."""

import hashlib
from urllib.parse import urlsplit

LOGIN_PATH = "/oidc"
LOGIN_SECONDS = 600
LONGEST_HEADER = 64 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443}


class Cookies:
    """Names and attributes of this server's cookies.

    Browsers share the cookies of one host among its ports, so names carry the public port. Under https their prefixes
    keep other hosts of the domain, and plain http, from setting them.
    """

    def __init__(self, public_url: str):
        parts = urlsplit(public_url)
        self._secure = parts.scheme == "https"
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        self.session = f"{'__Host-' if self._secure else ''}mlflow-platform-{port}"
        self._login_prefix = f"{'__Secure-' if self._secure else ''}mlflow-platform-login-{port}-"

    def login(self, state: str) -> str:
        """The name of one login's cookie. It tells nothing of the state."""
        return self._login_prefix + hashlib.sha256(state.encode()).hexdigest()[:24]

    def is_login(self, name: str) -> bool:
        return name.startswith(self._login_prefix)

    def set_session(self, value: str) -> str:
        return f"{self.session}={value}; Path=/; {self._attributes()}"

    def set_login(self, name: str, value: str) -> str:
        return f"{name}={value}; Path={LOGIN_PATH}; Max-Age={LOGIN_SECONDS}; {self._attributes()}"

    def drop(self, name: str) -> str:
        path = LOGIN_PATH if self.is_login(name) else "/"
        return f"{name}=; Path={path}; Max-Age=0; {self._attributes()}"

    def _attributes(self) -> str:
        return f"{'Secure; ' if self._secure else ''}HttpOnly; SameSite=Lax"


def parse(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The request's cookies. One that is there twice is left out: another port, or path, may have set either."""
    values = [value for name, value in headers if name == b"cookie"]
    if sum(map(len, values)) > LONGEST_HEADER:
        return {}
    cookies: dict[str, str] = {}
    twice: set[str] = set()
    for pair in b";".join(values).decode("latin-1").split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if name in cookies:
            twice.add(name)
        if equals:
            cookies[name] = value
    return {name: value for name, value in cookies.items() if name not in twice}
