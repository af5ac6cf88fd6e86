"""Who ends TLS, and with which certificate."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from components.settings.values import Email, File, Strict, Subnet, WebAddress, spelled_out, told_by

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"

Mode = Literal["none", "self_signed", "files", "acme", "proxy"]


class NoTls(Strict):
    """Plain http, for names that lead to this machine or a private network alone."""

    mode: Literal["none"]
    """Nobody ends TLS."""


class SelfSigned(Strict):
    """A certificate by an authority of the stack's own, which clients have to be told of."""

    mode: Literal["self_signed"]
    """The gateway, with a certificate of the stack's own; the output `ca_certificate` is what clients need."""


class Files(Strict):
    """A certificate that somebody else takes care of; `up` reads it, and again at each change."""

    mode: Literal["files"]
    """The gateway, with a certificate that lies on the machine where Pulumi runs."""
    certificate: File
    """The certificate and those of its issuers, in that order (PEM); a path from the project's folder."""
    key: File
    """Its private key (PEM, not encrypted); a path from the project's folder."""


class Acme(Strict):
    """A certificate that renews itself. Port 80 of every domain has to lead to `ports.http`, where the server looks."""

    mode: Literal["acme"]
    """The gateway, with a certificate by an ACME server such as Let's Encrypt."""
    email: Email
    """Whom the ACME server writes to."""
    directory: WebAddress = LETS_ENCRYPT
    """The ACME server's directory; by default Let's Encrypt's."""
    directory_ca: File | None = None
    """The authority (PEM) behind the directory's own certificate, where it is none that everybody knows."""
    key_type: Literal["ecdsa", "rsa"] = "ecdsa"
    """Of the certificate's key."""


class Proxy(Strict):
    """Somebody else's load balancer ends TLS and passes requests on to `ports.http`, with their `Host` as it was."""

    mode: Literal["proxy"]
    """A load balancer in front of the gateway."""
    networks: Annotated[tuple[Subnet, ...], Field(min_length=1)]
    """Where it is (as `10.0.8.0/24`). From there alone requests are answered, and `X-Forwarded-For` and `-Proto`
    believed."""


ByTheGateway = SelfSigned | Files | Acme
"""With these the gateway itself ends TLS."""

Tls = Annotated[
    Annotated[NoTls, Tag("none")]
    | Annotated[SelfSigned, Tag("self_signed")]
    | Annotated[Files, Tag("files")]
    | Annotated[Acme, Tag("acme")]
    | Annotated[Proxy, Tag("proxy")],
    Discriminator(told_by("mode")),
    BeforeValidator(
        spelled_out("mode"),
        json_schema_input_type=Literal["none", "self_signed"] | NoTls | SelfSigned | Files | Acme | Proxy,
    ),
]
