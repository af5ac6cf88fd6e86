"""What can go wrong on a user's machine: each error is one sentence that says what to do, and holds no secret."""


class ClientError(Exception):
    """Something that its reader can act on."""


class NotLoggedIn(ClientError):
    """There is no login, or it has ended."""


class Unavailable(ClientError):
    """A server does not answer now, and may in a moment."""
