"""Files that settings name, of which nothing is ever shown: a complaint says which file, and why."""

from pathlib import Path

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pulumi import Output


class NamedFileError(pulumi.RunError):
    """A file that a setting names cannot be used; the message names both and what helps, and nothing in the file."""


def read(setting: str, path: str) -> str:
    """The text of a file, from the project's folder."""
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise NamedFileError(f"{setting}: cannot read {path} in {Path.cwd()} ({reason})") from None


def authorities(setting: str, path: str) -> str:
    """The certificates of authorities that a file holds, in PEM, and nothing else of it."""
    try:
        found = x509.load_pem_x509_certificates(read(setting, path).encode())
    except ValueError:
        raise NamedFileError(
            f"{setting}: {path} holds no certificate in PEM; convert it, for example with openssl"
        ) from None
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in found)


def secret(setting: str, path: str) -> Output[str]:
    """The one line that a file holds."""
    line = read(setting, path).strip()
    if not line or not line.isprintable():
        raise NamedFileError(f"{setting}: {path} needs one line, and nothing else")
    return Output.secret(line)
