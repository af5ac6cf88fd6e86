"""For programs that a test starts: names of this machine lead to it, as browsers have it (RFC 6761, section 6.3).

Not every system's resolver does so, and a test changes no /etc/hosts.
"""

import socket

_resolve = socket.getaddrinfo


def _resolve_here(host, *more, **options):
    name = host.decode() if isinstance(host, bytes) else host
    return _resolve("127.0.0.1" if str(name).endswith(".localhost") else host, *more, **options)


socket.getaddrinfo = _resolve_here
