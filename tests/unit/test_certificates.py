"""What is declared for certificates, by who takes care of them, and where their keys go."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.certificates.files import CertificateError
from tests.authority import Pair, authority, leaf

from .graph import DEV, PROJECT, ROOT, Graph, Resource, declare, stack_file

DEV_HTTPS = {**stack_file(ROOT / "Pulumi.dev-https.yaml"), f"{PROJECT}:images": "local"}
PROD = {**stack_file(ROOT / "Pulumi.prod.yaml"), f"{PROJECT}:images": "local"}
FOLDER = "/etc/mlflow-platform"
NAMES = ["mlflow", "login", "s3", "console"]


@pytest.fixture(scope="session")
def self_signed() -> Graph:
    return declare(DEV_HTTPS)


@pytest.fixture(scope="session")
def acme() -> Graph:
    return declare(PROD, stack="prod")


@pytest.fixture(scope="session")
def pair() -> Pair:
    return leaf(authority(), ["*.ml.example.org"])


@pytest.fixture(scope="session")
def with_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Graph]:
    """The stack of a team whose certificate and key are files with these texts."""

    def declared(certificate: str, key: str) -> Graph:
        folder = tmp_path_factory.mktemp("tls")
        (folder / "chain.pem").write_text(certificate)
        (folder / "key.pem").write_text(key)
        tls = {"mode": "files", "certificate": str(folder / "chain.pem"), "key": str(folder / "key.pem")}
        return declare({**PROD, f"{PROJECT}:tls": json.dumps(tls)}, stack="prod")

    return declared


@pytest.fixture(scope="session")
def files(with_files: Callable[[str, str], Graph], pair: Pair) -> Graph:
    return with_files(pair.pem, pair.key_pem)


@pytest.fixture(params=["self_signed", "acme", "files"])
def graph(request: pytest.FixtureRequest) -> Graph:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def behind_a_proxy() -> Graph:
    return declare({**PROD, f"{PROJECT}:tls": json.dumps({"mode": "proxy", "networks": ["10.0.8.0/24"]})}, stack="prod")


def made_for_certificates(graph: Graph) -> set[tuple[str, str]]:
    made = {
        (resource.token.rpartition(":")[2], resource.name)
        for resource in graph.resources
        if "certificate" in resource.name or "tls:" in resource.token
    }
    return made - {("PrivateKey", "backup-ssh")}  # which certifies nothing


def holders(graph: Graph, text: str) -> list[tuple[Resource, str]]:
    """Which resources are given it, by which of their inputs."""
    given = [(resource, key, value) for resource in graph.resources for key, value in resource.inputs.items()]
    return [(resource, key) for resource, key, value in given if json.dumps(text)[1:-1] in json.dumps(value)]


def mounted(graph: Graph, service: str) -> dict[str, dict[str, Any]]:
    volumes = graph.container(service).inputs["volumes"]
    return {volume["volumeName"]: volume for volume in volumes if "volumeName" in volume}


KEPT = {
    ("Certificates", "certificates"),
    ("Network", "network-certificates"),
    ("Volume", "certificates"),
    ("Container", "certificates-files"),
    ("Container", "certificates"),
}
SIGNED = {
    ("PrivateKey", "certificates-authority"),
    ("SelfSignedCert", "certificates-authority"),
    ("PrivateKey", "certificates"),
    ("CertRequest", "certificates"),
    ("LocallySignedCert", "certificates"),
}


def test_a_certificate_is_on_a_volume_and_only_a_stack_with_its_own_signs_one(
    self_signed: Graph, acme: Graph, files: Graph
):
    assert made_for_certificates(self_signed) == KEPT | SIGNED
    assert made_for_certificates(acme) == made_for_certificates(files) == KEPT


def test_a_stack_over_http_or_behind_a_load_balancer_has_nothing_of_it(dev: Graph, behind_a_proxy: Graph):
    for graph in (dev, behind_a_proxy):
        assert made_for_certificates(graph) == set()
        assert mounted(graph, "gateway") == {}
        assert "ssl" not in graph.upload("gateway", "/etc/nginx/nginx.conf")


def test_certbots_image_is_there_only_where_it_is_used(self_signed: Graph, acme: Graph, files: Graph, dev: Graph):
    assert acme.container("certificates").inputs["image"] == "sha256:built-certbot"
    for graph in (self_signed, files):
        assert graph.container("certificates").inputs["image"] == graph.container("gateway").inputs["image"]
    for graph in (self_signed, files, dev):
        assert "certbot" not in {image.name for image in graph.of(":Image")}


def test_the_container_is_root_without_any_of_roots_rights(graph: Graph):
    container = graph.container("certificates")
    assert container.inputs["user"] == "0:101"  # NGINX's group, which reads keys
    assert container.inputs["capabilities"] == {"drops": ["ALL"]}


def test_it_talks_to_the_gateway_and_to_nobody_else_of_the_stack(graph: Graph):
    (network,) = graph.container("certificates").inputs["networksAdvanced"]
    on_it = [
        container.name
        for container in graph.services
        if network["name"] in {joined["name"] for joined in container.inputs["networksAdvanced"]}
    ]
    assert sorted(on_it) == ["certificates", "gateway"]
    assert "ports" not in graph.container("certificates").inputs


def test_the_gateway_reads_the_volume_and_cannot_write_to_it(graph: Graph):
    (name, at_the_gateway) = next(iter(mounted(graph, "gateway").items()))
    at_the_keeper = mounted(graph, "certificates")[name]
    assert mounted(graph, "gateway").keys() == mounted(graph, "certificates").keys()
    assert at_the_gateway["containerPath"] == at_the_keeper["containerPath"] == "/certificates"
    assert at_the_gateway["readOnly"] and not at_the_keeper.get("readOnly")


def test_the_gateway_starts_once_there_is_something_to_serve(graph: Graph):
    certificates = graph.container("certificates")
    assert certificates in graph.before(graph.container("gateway"))
    assert graph.container("gateway") not in graph.before(certificates)


def test_the_volume_outlives_a_stack_that_keeps_its_data(self_signed: Graph, acme: Graph, files: Graph):
    assert acme.the(":Volume", "certificates").kept and files.the(":Volume", "certificates").kept
    assert not self_signed.the(":Volume", "certificates").kept


def test_the_stacks_own_keys_are_secrets_wherever_they_go(self_signed: Graph):
    found = holders(self_signed, "made-up-key-")
    assert len(found) > 3
    assert [(resource.name, key) for resource, key in found if key not in resource.secret] == []
    containers = [(resource.name, key) for resource, key in found if "Container" in resource.token]
    assert containers == [("certificates-files", "uploads")]


def test_the_authoritys_key_stays_in_the_state(self_signed: Graph):
    found = holders(self_signed, "made-up-key-certificates-authority")
    assert {resource.token.partition(":")[0] for resource, _ in found} == {"tls"}


def test_the_key_in_a_file_is_a_secret_and_goes_nowhere_else(files: Graph, pair: Pair):
    assert files.upload("certificates", f"{FOLDER}/fullchain.pem") == pair.pem
    assert files.upload("certificates", f"{FOLDER}/key.pem") == pair.key_pem
    ((resource, key),) = holders(files, pair.key_pem)
    assert (resource.name, key) == ("certificates-files", "uploads")
    assert key in resource.secret


def test_what_is_served_is_the_leaf_with_its_key_and_no_authority_of_which_clients_were_not_told(self_signed: Graph):
    assert self_signed.upload("certificates", f"{FOLDER}/fullchain.pem") == "certificate-certificates"
    assert self_signed.upload("certificates", f"{FOLDER}/key.pem") == "made-up-key-certificates"
    assert (
        self_signed.the(":LocallySignedCert", "certificates").inputs["caCertPem"]
        == self_signed.outputs["ca_certificate"]
    )


def test_clients_are_told_of_the_stacks_own_authority_and_there_is_no_other(
    self_signed: Graph, acme: Graph, files: Graph, dev: Graph
):
    assert self_signed.outputs["ca_certificate"] == "certificate-certificates-authority"
    assert "ca_certificate" not in self_signed.secret_outputs
    for graph in (acme, files, dev):
        assert "ca_certificate" not in graph.outputs


def test_the_stacks_own_leaf_has_the_names_of_all_sites(self_signed: Graph):
    request = self_signed.the(":CertRequest", "certificates").inputs
    assert request["dnsNames"] == [f"{name}.platform.localhost" for name in NAMES]
    assert "ipAddresses" not in request


def test_an_address_is_listed_apart_from_names():
    graph = declare({**DEV, f"{PROJECT}:host": "10.0.0.5", f"{PROJECT}:tls": "self_signed"})
    request = graph.the(":CertRequest", "certificates").inputs
    assert request["ipAddresses"] == ["10.0.0.5"]
    assert "dnsNames" not in request


def test_the_stacks_own_leaf_is_for_servers_and_its_authority_for_signing(self_signed: Graph):
    assert "server_auth" in self_signed.the(":LocallySignedCert", "certificates").inputs["allowedUses"]
    authority = self_signed.the(":SelfSignedCert", "certificates-authority").inputs
    assert authority["isCaCertificate"] and "cert_signing" in authority["allowedUses"]


@pytest.mark.parametrize("token", [":LocallySignedCert", ":SelfSignedCert"])
def test_what_the_stack_signs_is_renewed_before_it_ends(self_signed: Graph, token: str):
    (signed,) = self_signed.of(token)
    assert 0 < signed.inputs["earlyRenewalHours"] < signed.inputs["validityPeriodHours"]


def test_up_renews_the_leaf_as_soon_as_status_complains_and_browsers_take_it_for_so_long(self_signed: Graph):
    leaf = self_signed.the(":LocallySignedCert", "certificates").inputs
    assert leaf["earlyRenewalHours"] * 3 >= leaf["validityPeriodHours"]
    assert leaf["validityPeriodHours"] <= 397 * 24


def test_the_keeper_is_told_what_to_ask_for(acme: Graph):
    told = json.loads(acme.upload("certificates", f"{FOLDER}/acme.json"))
    assert told["domains"] == [f"{name}.ml.example.org" for name in NAMES]
    assert told["directory"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert (told["email"], told["key_type"]) == ("ops@example.org", "ecdsa")
    assert told["gateway"].partition(":")[0] in acme.container("gateway").inputs["networksAdvanced"][0]["aliases"]


def test_another_acme_server_is_asked_with_its_own_authority(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("authority of the directory")
    tls = {"mode": "acme", "email": "ops@example.org", "directory": "https://ca.internal/dir", "key_type": "rsa"}
    config = {**PROD, f"{PROJECT}:tls": json.dumps({**tls, "directory_ca": str(tmp_path / "ca.pem")})}
    graph = declare(config, stack="prod")
    told = json.loads(graph.upload("certificates", f"{FOLDER}/acme.json"))
    assert (told["directory"], told["key_type"]) == ("https://ca.internal/dir", "rsa")
    assert graph.upload("certificates", f"{FOLDER}/directory-ca.pem") == "authority of the directory"


def test_files_that_could_not_be_served_stop_a_preview(with_files: Callable[[str, str], Graph], pair: Pair):
    with pytest.raises(CertificateError, match="tls.key: is not the key"):
        with_files(pair.pem, leaf(authority(), ["*.ml.example.org"]).key_pem)
