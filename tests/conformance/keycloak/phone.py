"""A phone with an app for one-time codes."""

import base64
import time
from dataclasses import dataclass

from pyotp.totp import TOTP

from .logins import Browser, Page, Tokens

STEP = 30  # seconds that a code is good for; Keycloak takes the one before and the one after, and none twice


@dataclass
class Phone:
    """Belongs to one account."""

    _secret: str = ""
    _last: int = 0

    def set_up(self, browser: Browser, page: Page | Tokens) -> Page | Tokens:
        """Takes up the account on the page that asks for it, and goes on."""
        assert isinstance(page, Page) and "totpSecret" in page.fields, page
        return browser.send(page, totp=self.shown(page.fields["totpSecret"]), userLabel="phone")

    def shown(self, secret: str) -> str:
        """Takes up the account whose secret the page shows; the first code."""
        self._secret = base64.b32encode(secret.encode()).decode()
        return self.code()

    def code(self) -> str:
        """One that was not used yet; waits where the next one is too far ahead."""
        step = max(self._last + 1, int(time.time() / STEP))
        time.sleep(max(0.0, (step - 1) * STEP - time.time()))
        self._last = step
        return TOTP(self._secret).at(step * STEP)
