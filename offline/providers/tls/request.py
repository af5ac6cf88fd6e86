"""Certificate signing requests."""

from typing import TYPE_CHECKING, Any

from ..base import Prop, ProviderError
from .keys import algorithm, read_key, signing_hash
from .names import PROPERTIES, alternative_names, check_names, subject_name
from .state import StateOnly, digest

if TYPE_CHECKING:
    from cryptography import x509


class CertRequest(StateOnly):
    """tls:index/certRequest:CertRequest; the id is a digest of the request.

    Source: internal/provider/resource_cert_request.go of hashicorp/terraform-provider-tls.
    """

    token = "tls:index/certRequest:CertRequest"
    properties = {
        "privateKeyPem": Prop(str, required=True, replaces=True, secret=True),
        **PROPERTIES,
        "keyAlgorithm": Prop(str, output=True),
        "certRequestPem": Prop(str, output=True),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        check_names(inputs)
        return inputs

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        key = read_key(inputs["privateKeyPem"], "privateKeyPem")
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject_name(inputs.get("subject")))
        names = alternative_names(inputs)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        request = builder.sign(key, signing_hash(key))
        pem = request.public_bytes(Encoding.PEM).decode()
        outputs = {**inputs, "keyAlgorithm": algorithm(key), "certRequestPem": pem}
        return digest(request.public_bytes(Encoding.DER)), outputs


def read_request(pem: str, name: str) -> "x509.CertificateSigningRequest":
    """The request in the property of the given name."""
    from cryptography import x509

    try:
        request = x509.load_pem_x509_csr(pem.encode())
        request.extensions  # noqa: B018 - all else is read when it is asked for, and then may turn out to be wrong
        request.public_key()
    except Exception:  # of many classes, the library's own among them
        raise ProviderError(
            f"'{name}' holds no certificate request that can be read; give it the certRequestPem of a CertRequest"
        ) from None
    return request
