"""Why a TLS handshake failed, in a sentence that says what to do. Whatever failed so has been sent nothing."""

import ssl
from collections.abc import Iterator
from http.client import BadStatusLine

from mlflow_platform.client.errors import ClientError, Unavailable, Untrusted

# OpenSSL's X509_V_ERR_* (x509_vfy.h), as far as they need another remedy each.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)
# What OpenSSL says of an answer that is no TLS; which of them depends on its version.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
# Both sides of a mistaken scheme: some servers only hang up, others send an alert, which is no status line.
_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, BadStatusLine)


def explained(error: BaseException, server: str) -> ClientError | None:
    """The error to raise instead of what a library raised for this server (an origin); None where it is not of TLS.

    Unavailable is what may pass by itself, as a server that restarts; the others are for somebody to put right.
    """
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(_of_certificate(cause, server))
        if isinstance(cause, _CLOSED):
            return Unavailable(_of_closing(server))
        if isinstance(cause, ssl.SSLError):
            return _of_handshake(cause, server)
    return None


def _of_certificate(error: ssl.SSLCertVerificationError, server: str) -> str:
    shown = f"{server} is not trusted, and nothing was sent to it: its certificate"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return (
            f"{shown} is signed by no authority known here ({error.verify_message}); if the platform has an authority "
            "of its own, get its certificate from whoever runs it and run `mlflow-platform login --ca-file ca.pem`."
        )
    if error.verify_code in _OTHER_NAME:
        return f"{shown} is for another name; use the address that it was made for, or have this name added to it."
    if error.verify_code == _EXPIRED:
        return f"{shown}, or its authority's, has expired; whoever runs the platform must renew it."
    if error.verify_code == _NOT_YET_VALID:
        return f"{shown} is not valid yet; set this machine's clock, or have the certificate made anew."
    return f"{shown} is not accepted ({error.verify_message}); whoever runs the platform must replace it."


def _of_closing(server: str) -> str:
    if server.startswith("https:"):
        return f"{server} closes the connection; if it always does, is this its name, and its port for https?"
    return f"{server} closes the connection; if the platform has https by now, set MLFLOW_TRACKING_URI to that address."


def _of_handshake(error: ssl.SSLError, server: str) -> ClientError:
    reason = error.reason or "no reason given"
    if reason in _NO_TLS:
        return Untrusted(f"{server} does not speak https, so nothing was sent to it; check the address and its port.")
    if "ALERT" in reason or "UNRECOGNIZED_NAME" in reason:
        return Unavailable(f"{server} refuses the TLS handshake ({reason}): does it serve this name?")
    return Untrusted(f"No TLS connection to {server} is possible ({reason}), so nothing was sent to it.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
