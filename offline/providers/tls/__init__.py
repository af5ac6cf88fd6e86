"""A stand-in for pulumi-tls 5.6.2 (over hashicorp/terraform-provider-tls 4) on cryptography; there is no server."""

from ..base import Prop, StandIn
from .certificates import LocallySignedCert, SelfSignedCert
from .private_key import PrivateKey
from .request import CertRequest

# Only the official plugin's functions, which fetch certificates from servers, go through the proxy.
CONFIG = {"proxy": Prop(dict)}

PROVIDER = StandIn("tls", "5.6.2", [PrivateKey(), CertRequest(), SelfSignedCert(), LocallySignedCert()], config=CONFIG)
