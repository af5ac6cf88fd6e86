"""What the tests make with the tls stand-in, and how they read it."""

import time
from typing import Any

from cryptography import x509

from ..harness import Plugin, Resource

KEY = "tls:index/privateKey:PrivateKey"
REQUEST = "tls:index/certRequest:CertRequest"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"

HOUR = 3600 * 10**9
CA = {
    "subject": {"commonName": "a CA", "organization": "o"},
    "isCaCertificate": True,
    "allowedUses": ["cert_signing", "crl_signing", "digital_signature"],
    "validityPeriodHours": 87600,
    "earlyRenewalHours": 8760,
}
LEAF = {
    "allowedUses": ["server_auth", "digital_signature", "key_encipherment"],
    "validityPeriodHours": 2160,
    "earlyRenewalHours": 720,
}
CA_USES = {key: CA[key] for key in ("allowedUses", "validityPeriodHours", "earlyRenewalHours")}
NAMES = {
    "subject": {"commonName": "a.example.org"},
    "dnsNames": ["a.example.org", "*.b.example.org"],
    "ipAddresses": ["127.0.0.1", "::1"],
    "uris": ["spiffe://example.org/a"],
}


def key_of(plugin: Plugin, algorithm: str = "ECDSA", **inputs: Any) -> Resource:
    curve = {"ecdsaCurve": "P256"} if algorithm == "ECDSA" else {}
    return plugin.create(KEY, {"algorithm": algorithm, **curve, **inputs})


def pem_of(plugin: Plugin) -> str:
    return key_of(plugin).outputs["privateKeyPem"]


def authority_of(plugin: Plugin, **inputs: Any) -> dict[str, Any]:
    """The part of a LocallySignedCert's inputs that names the CA."""
    made = plugin.create(SELF_SIGNED, {**CA, "privateKeyPem": pem_of(plugin), **inputs})
    return {"caCertPem": made.outputs["certPem"], "caPrivateKeyPem": made.inputs["privateKeyPem"]}


def request_of(plugin: Plugin, **inputs: Any) -> Resource:
    return plugin.create(REQUEST, {**NAMES, "privateKeyPem": pem_of(plugin), **inputs})


def leaf_of(plugin: Plugin, **inputs: Any) -> Resource:
    request = request_of(plugin).outputs["certRequestPem"]
    return plugin.create(SIGNED, {**LEAF, **authority_of(plugin), "certRequestPem": request, **inputs})


def certificate(made: Resource | dict[str, Any]) -> x509.Certificate:
    outputs = made.outputs if isinstance(made, Resource) else made
    return x509.load_pem_x509_certificate(outputs["certPem"].encode())


def extensions(of: x509.Certificate | x509.CertificateSigningRequest) -> list[tuple[str, bool]]:
    return [(extension.oid.dotted_string, extension.critical) for extension in of.extensions]


class Clock:
    """The stand-in's time, which passes only when told to."""

    def __init__(self) -> None:
        self.nanoseconds = time.time_ns()

    def pass_hours(self, hours: float) -> None:
        self.nanoseconds += int(hours * HOUR)
