"""Turns the output of a failed tool into the sentence that helps."""

import re

_CAUSES = [
    (
        r"no space left on device|disk quota exceeded",
        "the disk is full (`docker system df` and `df -h` show what fills it)",
    ),
    (
        r"Bind for [\d.]+:(?P<port>\d+) failed: port is already allocated"
        r"|listen tcp\d? \S+?:(?P<port2>\d+): bind: address already in use",
        "port {port} is already in use: stop what listens there, or choose another port in the stack's file",
    ),
    (
        r"temporary failure (?:in name resolution|resolving)|could not resolve|no such host|name or service not known"
        r"|network is unreachable|no route to host|failed to establish a new connection|i/o timeout"
        r"|connection timed out|unable to connect to|TLS handshake timeout|dial tcp \S+ connect: connection refused",
        "the network (or the package registry asked) does not answer",
    ),
    (
        r"certificate verify failed|x509: certificate signed by unknown authority",
        "a TLS certificate is not trusted: add your proxy's CA to the machine's (update-ca-certificates)",
    ),
    (r"signal: killed|out of memory|cannot allocate memory", "the machine ran out of memory"),
]


def cause(output: str) -> str | None:
    """The reason for a failure as far as its output shows one that is known."""
    for pattern, sentence in _CAUSES:
        if found := re.search(pattern, output, re.IGNORECASE):
            groups = [value for value in found.groups() if value] if found.groups() else []
            return sentence.format(port=groups[0] if groups else "")
    return None
