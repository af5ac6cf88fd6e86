"""What can go wrong on a user's machine: each error is one sentence that says what to do, and holds no secret."""


class ClientError(Exception):
    """Something that its reader can act on."""


class NotLoggedIn(ClientError):
    """There is no login, or it has ended."""


class Unavailable(ClientError):
    """A server does not answer now, and may in a moment."""


class Untrusted(ClientError):
    """A server did not prove who it is, so it was told nothing."""


class Redirected(ClientError):
    """A server refers to another address, `location` (normalized), or "" where that is no address."""

    def __init__(self, text: str, location: str):
        super().__init__(text)
        self.location = location
