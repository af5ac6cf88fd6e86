"""Turns the output of a failed tool into the sentence that helps."""

import re

_PORT_TAKEN = "port {0} is already in use: stop what listens there, or choose another port in the stack's file"
_NO_NETWORK = "the network (or the package registry asked) does not answer"
_CAUSES = [
    (
        r"no space left on device|disk quota exceeded",
        "the disk is full (`df -h` and `docker system df` show what fills it)",
    ),
    (r"Bind for \S+:(\d+) failed: port is already allocated", _PORT_TAKEN),
    (r"listen tcp\d? \S+?:(\d+): bind: address already in use", _PORT_TAKEN),
    (
        r"temporary failure (?:in name resolution|resolving)|could not resolve|no such host|name or service not",
        _NO_NETWORK,
    ),
    (r"network is unreachable|no route to host|failed to establish a new connection|unable to connect to", _NO_NETWORK),
    (r"i/o timeout|connection timed out|TLS handshake timeout|dial tcp \S+ connect: connection refused", _NO_NETWORK),
    (r"failed getting release file|failed to fetch|unable to fetch some archives", _NO_NETWORK),
    (
        r"certificate verify failed|x509: certificate signed by unknown authority",
        "a TLS certificate is not trusted: add your proxy's CA to the machine's (update-ca-certificates)",
    ),
    (
        r"incorrect passphrase",
        "the passphrase is not the one that the state, or `encryptionsalt` in the stack's file, was made with: remove "
        "that line, unless a `secure:` value needs it, or set PULUMI_CONFIG_PASSPHRASE to its own",
    ),
    (r"signal: killed|out of memory|cannot allocate memory", "the machine ran out of memory"),
]


def cause(output: str) -> str | None:
    """The reason for a failure as far as its output shows one that is known."""
    for pattern, sentence in _CAUSES:
        if found := re.search(pattern, output, re.IGNORECASE):
            return sentence.format(*found.groups())
    return None
