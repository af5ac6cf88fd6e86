"""Which authorities are trusted: the usual ones, and for a platform that has one of its own, that one too.

It is kept beside the login, in a file per tracking server that holds the usual ones as well. For MLflow, botocore and
`requests` a file replaces what they trust by default, so with the authority alone every other server of the same
process or shell would fail, and so would the platform on the day it gets a certificate that everybody trusts.
"""

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.private import PrivateFile, folder

MLFLOW = "MLFLOW_TRACKING_SERVER_CERT_PATH"
AWS = "AWS_CA_BUNDLE"
_REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order of `requests` itself

_LONGEST = 8 * 1024 * 1024  # bytes; what systems trust by default has a quarter of one
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII)
_USUAL = "# And what is trusted anyway:\n"

Trust = str | bool  # what `requests` and botocore take as `verify`: a file, or True for their own


@dataclass
class Trial:
    """What a login is to trust; kept only when it has ended well."""

    trust: Trust
    _new: Path | None = None
    _kept: PrivateFile | None = None

    def keep(self) -> None:
        if self._new and self._kept:
            self._kept.put(self._new)
            self.trust = os.fspath(self._kept.path)


def trusted(server: str) -> Trust:
    """What to trust for a platform, all its parts included: its own authority, what the environment says, the usual."""
    return own(server) or _named(MLFLOW, *_REQUESTS) or True


def own(server: str) -> str | None:
    """The file kept for this tracking server, unless the user names another to MLflow."""
    return None if _named(MLFLOW) else kept(server)


def kept(server: str) -> str | None:
    """The file kept for this tracking server, whatever the environment says; None where no authority was given."""
    file = _file(server)
    return os.fspath(file.path) if server.startswith("https:") and file.exists() else None


def for_storage(trust: Trust) -> Trust:
    """What botocore is to trust on a platform that is trusted by this."""
    return _named(AWS) or trust


@contextmanager
def trial(server: str, ca_file: str | None) -> Iterator[Trial]:
    """What a login to this server trusts: the authority given now, else the one given before, beside the usual ones.

    The one given before stays, since it says which server this is, and not who logs in there. It is written anew with
    the usual ones of today, which change over the years. Raises ClientError where ca_file is not to be used.
    """
    if ca_file and not server.startswith("https:"):
        raise ClientError(f"--ca-file is for https, and {server} is not; set MLFLOW_TRACKING_URI to its https address.")
    given = authorities(ca_file) if ca_file else None if _named(MLFLOW) else _given_before(server)
    if not given:
        yield Trial(trusted(server))
        return
    file = _file(server)
    with file.replacement(f"{given}{_USUAL}{_usual()}".encode()) as new:
        yield Trial(os.fspath(new), new, file)


def authorities(ca_file: str) -> str:
    """The certificates in a PEM file, and nothing else of it: a key may be there too. Raises ClientError for none."""
    how = "give the certificate of the platform's authority, as PEM"
    try:
        with Path(ca_file).expanduser().open("rb") as file:
            content = file.read(_LONGEST)
    except OSError as error:
        raise ClientError(f"--ca-file {ca_file} cannot be read ({error.strerror}); {how}.") from None
    blocks = _CERTIFICATE.findall(content.decode("ascii", "replace"))
    if not blocks:
        raise ClientError(f"--ca-file {ca_file} holds no certificate as PEM; {how}.")
    pem = "".join(f"{block}\n" for block in blocks)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ClientError(f"--ca-file {ca_file} holds a damaged certificate; {how}.") from None
    if not context.get_ca_certs():
        raise ClientError(f"--ca-file {ca_file} holds no authority's certificate, but a server's alone; {how}.")
    return pem


def _named(*variables: str) -> str | None:
    """The file that one of these variables names, unless it is one of ours.

    What `mlflow-platform env` once told a shell, for this server or another, must not win over what is kept today.
    """
    found = (os.environ.get(variable) for variable in variables)
    return next((path for path in found if path and Path(path).parent != folder()), None)


def _given_before(server: str) -> str | None:
    content = _file(server).read() if kept(server) else None
    return content.decode("ascii", "replace").partition(_USUAL)[0] if content else None


def _usual() -> str:
    """What `requests` trusts in this environment; a folder of certificates, which it takes too, is not copied."""
    named = _named(*_REQUESTS)
    path = named if named and not Path(named).is_dir() else DEFAULT_CA_BUNDLE_PATH
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError as error:
        raise ClientError(f"The certificates in {path} cannot be read ({error.strerror}).") from None


def _file(server: str) -> PrivateFile:
    return PrivateFile(server, "pem", "certificate", _LONGEST)
