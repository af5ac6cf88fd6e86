"""Logins under way: each in an encrypted cookie of its own browser, so that strangers fill no table with them."""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from mlflow_platform.server.browser.cookies import LOGIN_SECONDS, Cookies
from mlflow_platform.server.browser.seal import Seal, SealBroken

AT_ONCE = 4  # tabs
BYTES_AT_ONCE = 6000  # of all these cookies together; proxies hold a request's cookies in 8 KB


@dataclass(frozen=True, repr=False)
class Login:
    """What a login's answer is held against."""

    state: str
    nonce: str
    verifier: str
    return_to: str
    began_at: float


class Logins:
    """Puts logins into cookies and takes them out again."""

    def __init__(self, seal: Seal, cookies: Cookies, clock: Callable[[], float] = time.time):
        self._seal = seal
        self._cookies = cookies
        self._clock = clock

    def begin(self, cookies: dict[str, str], return_to: str) -> tuple[Login, list[str]]:
        """A new login, and the Set-Cookie lines that keep it and drop the oldest beyond what a browser may have."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        login = Login(state, nonce, verifier, return_to, self._clock())
        name = self._cookies.login(state)
        value = base64.urlsafe_b64encode(self._seal.close(json.dumps(asdict(login)).encode(), name)).decode()
        room = BYTES_AT_ONCE - len(value)
        lines = [self._cookies.set_login(name, value)]
        for number, (other, size) in enumerate(self._newest_first(cookies), start=1):
            room -= size
            if number >= AT_ONCE or room < 0:
                lines.append(self._cookies.drop(other))
        return login, lines

    def find(self, cookies: dict[str, str], state: str) -> Login | None:
        """The login of that state, if this browser began it and not too long ago."""
        name = self._cookies.login(state)
        login = self._opened(name, cookies[name]) if name in cookies else None
        return login if login and hmac.compare_digest(login.state.encode(), state.encode()) else None

    def drop(self, state: str) -> str:
        """The Set-Cookie line that ends a login."""
        return self._cookies.drop(self._cookies.login(state))

    def _newest_first(self, cookies: dict[str, str]) -> list[tuple[str, int]]:
        ages = []
        for name, value in cookies.items():
            if self._cookies.is_login(name):
                login = self._opened(name, value)
                ages.append((login.began_at if login else 0.0, name, len(value)))
        return [(name, size) for _, name, size in sorted(ages, reverse=True)]

    def _opened(self, name: str, value: str) -> Login | None:
        try:
            login = Login(**json.loads(self._seal.open(base64.urlsafe_b64decode(value.encode()), name)))
        except (SealBroken, ValueError):
            return None
        return login if login.began_at > self._clock() - LOGIN_SECONDS else None
