"""What is printed after `up`, where names and certificates need something of whoever reads it."""

import json
import socket
from typing import Any

import pytest

from launcher import cli, prepare, summary
from launcher.paths import Paths
from launcher.stack import Stack
from tests.launcher.https_sites import sites, stack

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
OUTPUTS: dict[str, Any] = {
    **sites("platform.localhost", 8443),
    "ca_certificate": PEM,
    "keycloak_admin": "[secret]",
    "client_env": {"AWS_DEFAULT_REGION": "here"},
}


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, paths: Paths, capsys: pytest.CaptureFixture[str]):
    """Runs `./platform outputs` with these arguments; its exit code, and what it prints as a result and as an error."""

    def outputs(self: Stack, *, secrets: bool) -> dict[str, Any]:
        return {**OUTPUTS, "keycloak_admin": {"password": "x"}} if secrets else OUTPUTS

    monkeypatch.setattr(cli, "only_work", lambda: None)  # it is for the rest of the process
    monkeypatch.setattr(Stack, "outputs", outputs)
    monkeypatch.setattr(prepare, "stack", lambda *_, **__: Stack("dev", paths.root, paths.own, {}))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["outputs", *arguments])
        found = capsys.readouterr()
        return code, found.out, found.err

    return run


def test_one_output_is_printed_as_it_is_so_that_it_can_be_a_file(printed):
    assert printed("ca_certificate") == (0, PEM, "")
    assert printed("mlflow_tracking_uri") == (0, "https://mlflow.platform.localhost:8443\n", "")
    assert json.loads(printed("client_env")[1]) == OUTPUTS["client_env"]
    assert json.loads(printed("ca_certificate", "--json")[1]) == PEM


def test_a_secret_is_not_taken_for_its_place_holder(printed):
    code, out, err = printed("keycloak_admin")
    assert (code, out) == (1, "")
    assert "--show-secrets" in err
    assert json.loads(printed("keycloak_admin", "--show-secrets")[1]) == {"password": "x"}


def test_an_output_that_is_not_there_is_told_with_those_that_are(printed):
    code, out, err = printed("ca-certificate")
    assert (code, out) == (1, "")
    assert "no output ca-certificate; there are: ca_certificate, client_env" in err


def test_all_outputs_are_printed_without_a_name(printed):
    code, out, _ = printed()
    assert code == 0
    assert "OUTPUT" in out and "[secret]" in out


def next_steps(text: str) -> list[str]:
    lines = text.partition("  Next ")[2].partition("\n  N")[0].splitlines()
    return [line.strip() for line in lines]


def test_with_an_authority_of_the_stacks_own_the_login_is_given_it(printed):
    uri, save, login = next_steps(summary.of("https", OUTPUTS))
    assert uri == "export MLFLOW_TRACKING_URI=https://mlflow.platform.localhost:8443"
    assert save == "./platform outputs --stack https ca_certificate > https-ca.pem"
    assert login == "pip install ./plugin && mlflow-platform login --ca-file https-ca.pem"
    _, command, *arguments = save.partition(" >")[0].split()
    assert command == "outputs"
    assert printed(*arguments) == (0, PEM, "")


def test_without_one_it_is_given_nothing():
    outputs = {name: value for name, value in OUTPUTS.items() if name != "ca_certificate"}
    assert next_steps(summary.of("dev", outputs))[1:] == ["pip install ./plugin && mlflow-platform login"]


def test_names_of_this_machine_that_its_programs_do_not_find_are_a_line_for_the_file_of_hosts(
    monkeypatch: pytest.MonkeyPatch,
):
    def resolved(name: str, port: object) -> list[str]:
        if name.startswith(("mlflow.", "s3.")):
            raise socket.gaierror("Name or service not known")
        return ["127.0.0.1"]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    unknown = cli._unknown_names(stack(OUTPUTS, 8443))
    assert unknown == ["mlflow.platform.localhost", "s3.platform.localhost"]
    assert summary.of("dev", OUTPUTS, unknown).endswith("\n" + " " * 17 + f"127.0.0.1 {' '.join(unknown)}")
    assert "/etc/hosts" not in summary.of("dev", OUTPUTS, [])


def test_a_name_that_is_no_machines_own_is_somebody_elses_to_resolve(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("need not be asked"))
    assert cli._unknown_names(stack(sites("ml.example.org", 443), 443)) == []
    assert cli._unknown_names(stack({})) == []
