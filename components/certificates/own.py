"""A certificate by an authority of the stack's own."""

from collections.abc import Sequence

import pulumi
import pulumi_tls as tls
from pulumi import Output, ResourceOptions

from components.settings.sites import is_address

_DAY = 24  # hours
# Browsers refuse leaves of more than 825 days even by an authority that a user trusts (Apple, 2019); `up` renews ours
# from a third of their life on, so that nobody has to hurry.
_LEAF, _LEAF_RENEWED = 90 * _DAY, 30 * _DAY
_AUTHORITY, _AUTHORITY_RENEWED = 3650 * _DAY, 365 * _DAY


class OwnCertificate:
    """A leaf for the hosts and the authority that signs it, whose key never leaves the stack's state.

    The leaf keeps its key when it is renewed, so that NGINX takes it up without a reload.
    """

    authority: Output[str]
    """What clients have to trust (PEM)."""
    certificate: Output[str]
    key: Output[str]  # secret

    def __init__(self, name: str, hosts: Sequence[str], parent: pulumi.Resource):
        opts = ResourceOptions(parent=parent)
        signer = tls.PrivateKey(f"{name}-authority", algorithm="ECDSA", ecdsa_curve="P256", opts=opts)
        authority = tls.SelfSignedCert(
            f"{name}-authority",
            private_key_pem=signer.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(
                common_name=f"authority of stack {pulumi.get_stack()}", organization=pulumi.get_project()
            ),
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["cert_signing", "crl_signing", "digital_signature"],
            validity_period_hours=_AUTHORITY,
            early_renewal_hours=_AUTHORITY_RENEWED,
            opts=opts,
        )
        key = tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve="P256", opts=opts)
        addresses = [host for host in hosts if is_address(host)]
        request = tls.CertRequest(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=hosts[0]),
            dns_names=[host for host in hosts if host not in addresses] or None,
            ip_addresses=addresses or None,
            opts=opts,
        )
        leaf = tls.LocallySignedCert(
            name,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=signer.private_key_pem,
            ca_cert_pem=authority.cert_pem,
            set_subject_key_id=True,
            allowed_uses=["server_auth", "digital_signature"],
            validity_period_hours=_LEAF,
            early_renewal_hours=_LEAF_RENEWED,
            opts=opts,
        )
        self.authority, self.certificate, self.key = authority.cert_pem, leaf.cert_pem, key.private_key_pem
