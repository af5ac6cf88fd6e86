"""A stack of all four types under the real CLI."""

from collections.abc import Callable

import pulumi
import pulumi_tls as tls
import pytest

from ..stacks import Stack


@pytest.mark.slow  # e2e takes the whole program through the same
def test_a_stack_under_the_real_cli_renews_exactly_the_leaf(pulumi_stack: Callable[..., Stack]):
    def program(early: int) -> Callable[[], None]:
        def declare() -> None:
            key = tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P256")
            root = tls.SelfSignedCert(
                "root",
                private_key_pem=key.private_key_pem,
                subject={"common_name": "a CA"},
                is_ca_certificate=True,
                allowed_uses=["cert_signing"],
                validity_period_hours=48,
            )
            request = tls.CertRequest("request", private_key_pem=key.private_key_pem, dns_names=["a.example.org"])
            leaf = tls.LocallySignedCert(
                "leaf",
                ca_cert_pem=root.cert_pem,
                ca_private_key_pem=key.private_key_pem,
                cert_request_pem=request.cert_request_pem,
                allowed_uses=["server_auth"],
                validity_period_hours=24,
                early_renewal_hours=early,
            )
            pulumi.export("leaf", leaf.cert_pem)

        return declare

    stack = pulumi_stack(program(1))
    assert stack.up()["create"] == 5
    first = stack.outputs()["leaf"]
    assert stack.preview() == stack.refresh() == stack.up() == {"same": 5}
    assert "PRIVATE KEY" not in stack.state_file()
    stack.use(program(2))
    assert stack.up() == {"same": 4, "update": 1}
    assert stack.outputs()["leaf"] == first
    stack.use(program(24))  # as early as it begins: so it is due whenever it is looked at
    for _ in range(2):
        assert stack.preview() == {"same": 4, "replace": 1}
        assert stack.up() == {"same": 4, "replace": 1}
        assert stack.outputs()["leaf"] != first
        first = stack.outputs()["leaf"]
