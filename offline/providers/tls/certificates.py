"""Certificates, signed by themselves or by an authority, and their renewal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError, log
from .issuing import Holder, Issuer, issue, subject_key_id
from .keys import algorithm, read_key
from .names import PROPERTIES, alternative_names, check_names, signed_names, signed_subject, subject_name
from .request import read_request
from .state import StateOnly
from .uses import check_uses
from .validity import LONGEST, is_due

if TYPE_CHECKING:
    from cryptography import x509

_IMPLIED = {"earlyRenewalHours": 0, "isCaCertificate": False, "setSubjectKeyId": False}


class Certificate(StateOnly):
    """What both kinds share; the id is the serial number.

    When `earlyRenewalHours` before the end have begun, any plan replaces the certificate, and a refresh marks it as
    ready for renewal; before, neither does anything.
    Source: internal/provider/common_cert.go of hashicorp/terraform-provider-tls; that a preview shows the replacement
    without a refresh: pkg/pf/tfbridge/provider_diff.go of pulumi/pulumi-terraform-bridge, which asks for a plan.
    """

    properties = {
        "allowedUses": Prop(list, of=str, required=True, replaces=True),
        "validityPeriodHours": Prop(int, required=True, replaces=True),
        "earlyRenewalHours": Prop(int, implied=0),
        "isCaCertificate": Prop(bool, implied=False, replaces=True),
        "maxPathLength": Prop(int, computed=True, replaces=True),
        "setSubjectKeyId": Prop(bool, implied=False, replaces=True),
        "certPem": Prop(str, output=True),
        "readyForRenewal": Prop(bool, output=True, replaces=True, volatile="earlyRenewalHours"),
        "validityStartTime": Prop(str, output=True),
        "validityEndTime": Prop(str, output=True),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        check_uses(inputs)
        for name in ("validityPeriodHours", "earlyRenewalHours"):
            hours = inputs.get(name, 0)
            if isinstance(hours, int) and not 0 <= hours <= LONGEST:
                raise CheckError(name, f"'{name}' must be between 0 and {LONGEST}")
        length = inputs.get("maxPathLength", -1)
        if isinstance(length, int) and length < -1:
            raise CheckError("maxPathLength", "'maxPathLength' must be -1, which is no limit, or more")
        if isinstance(length, int) and length > 0 and not inputs.get("isCaCertificate"):
            raise CheckError("maxPathLength", "'maxPathLength' is for an authority; set 'isCaCertificate' or remove it")
        return inputs

    def outdated(self, state: dict[str, Any], inputs: dict[str, Any]) -> Iterable[str]:
        return ["readyForRenewal"] if is_due(state.get("validityEndTime"), inputs.get("earlyRenewalHours", 0)) else []

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any]:
        found = super().read(client, id, state)
        due = is_due(found.get("validityEndTime"), found.get("earlyRenewalHours", 0))
        return {**found, "readyForRenewal": True} if due else found

    def update(self, client: Any, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        """Another time of renewal, which has not come: else it were a replacement."""
        return {**state, "earlyRenewalHours": inputs.get("earlyRenewalHours", 0), "readyForRenewal": False}


class SelfSignedCert(Certificate):
    """tls:index/selfSignedCert:SelfSignedCert; the id is the serial number.

    Source: internal/provider/resource_self_signed_cert.go of hashicorp/terraform-provider-tls.
    """

    token = "tls:index/selfSignedCert:SelfSignedCert"
    properties = {
        **Certificate.properties,
        **PROPERTIES,
        "privateKeyPem": Prop(str, required=True, replaces=True, secret=True),
        "setAuthorityKeyId": Prop(bool, implied=False, replaces=True),
        "keyAlgorithm": Prop(str, output=True),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        check_names(inputs)
        if inputs.get("setAuthorityKeyId") is True and not (
            inputs.get("isCaCertificate") or inputs.get("setSubjectKeyId")
        ):
            raise CheckError("setAuthorityKeyId", "'setAuthorityKeyId' needs 'setSubjectKeyId': both are the same id")
        return super().check(inputs)

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        key = read_key(inputs["privateKeyPem"], "privateKeyPem")
        holder = Holder(subject_name(inputs.get("subject")), alternative_names(inputs), key.public_key())
        own_id = subject_key_id(holder, inputs) if inputs.get("setAuthorityKeyId") else None
        id, issued = issue(holder, Issuer(holder.subject, key, own_id), inputs)
        return id, {**_IMPLIED, "setAuthorityKeyId": False, **inputs, **issued, "keyAlgorithm": algorithm(key)}


class LocallySignedCert(Certificate):
    """tls:index/locallySignedCert:LocallySignedCert; the id is the serial number.

    Source: internal/provider/resource_locally_signed_cert.go of hashicorp/terraform-provider-tls.
    """

    token = "tls:index/locallySignedCert:LocallySignedCert"
    properties = {
        **Certificate.properties,
        "certRequestPem": Prop(str, required=True, replaces=True),
        "caCertPem": Prop(str, required=True, replaces=True),
        "caPrivateKeyPem": Prop(str, required=True, replaces=True, secret=True),
        "caKeyAlgorithm": Prop(str, output=True),
    }

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        request = read_request(inputs["certRequestPem"], "certRequestPem")
        key = read_key(inputs["caPrivateKeyPem"], "caPrivateKeyPem")
        authority, key_id, is_authority = _read_authority(inputs["caCertPem"])
        if authority.public_key() != key.public_key():
            raise ProviderError(
                "'caPrivateKeyPem' is not the key of the certificate in 'caCertPem'; give both of one CA"
            )
        if not is_authority:  # upstream warns, and goes on
            log("the certificate in 'caCertPem' is not an authority's: what it signs may be trusted by nobody")
        holder = Holder(signed_subject(request), signed_names(request), request.public_key())
        # Go names no authority's key where both have one name: that would be a certificate signed by itself
        issuer = Issuer(authority.subject, key, key_id if authority.subject != holder.subject else None)
        id, issued = issue(holder, issuer, inputs)
        return id, {**_IMPLIED, **inputs, **issued, "caKeyAlgorithm": algorithm(key)}


def _read_authority(pem: str) -> "tuple[x509.Certificate, bytes | None, bool]":
    """The certificate in `caCertPem`, its key's id, and whether it is an authority's."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.public_key()
        found = {type(extension.value): extension.value for extension in certificate.extensions}
    except Exception:  # of many classes, the library's own among them
        raise ProviderError(
            "'caCertPem' holds no certificate that can be read; give it the certPem of a SelfSignedCert"
        ) from None
    key_id, constraints = found.get(x509.SubjectKeyIdentifier), found.get(x509.BasicConstraints)
    return (
        certificate,
        key_id.digest if isinstance(key_id, x509.SubjectKeyIdentifier) else None,
        isinstance(constraints, x509.BasicConstraints) and constraints.ca,
    )
