"""The certificate of the sites, kept on a volume that the gateway reads at each handshake."""

from components.certificates.component import Certificates, CertificatesArgs

__all__ = ["Certificates", "CertificatesArgs"]
