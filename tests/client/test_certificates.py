"""A platform with an authority of its own: it is given once, kept, and trusted by all that needs to."""

import os
import shlex
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from mlflow_platform.client import certificates, cli
from mlflow_platform.client.login import log_in, log_out
from mlflow_platform.client.store import LoginFile
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from tests.authority import Pair, authority
from tests.client import tls
from tests.client.double import Double
from tests.client.test_cli import program, run

__all__ = ["program"]

TRAINING = """
import mlflow
client = mlflow.MlflowClient()
run = client.create_run("1").info
client.log_metric(run.run_id, "loss", 0.5)
open("model.txt", "w").write("a model")
client.log_artifact(run.run_id, "model.txt")
print(open(client.download_artifacts(run.run_id, "model.txt", "..")).read())
"""

# What tools do with a shell's variables alone: boto3, aws (which is botocore), and what stands on OpenSSL or Go.
TOOLS = """
import os, ssl, urllib.request
import boto3, botocore.session
for client in (boto3.client("s3"), botocore.session.get_session().create_client("s3")):
    client.put_object(Bucket="mlflow", Key="a", Body=b"a")
urllib.request.urlopen(os.environ["MLFLOW_TRACKING_URI"] + "/.well-known/mlflow-platform")  # by OpenSSL's variable
print(len(ssl.create_default_context().get_ca_certs()))
"""


SERVERS = tls.certificate(authority())


def test_a_training_needs_nothing_but_the_tracking_uri(secure: Double, securely: LoginFile, home: Path):
    secure.run = {"run_id": "r", "experiment_id": "1", "artifact_uri": "s3://mlflow/1/r/artifacts"}
    (home / "work").mkdir()
    command = [sys.executable, "-c", TRAINING]
    done = subprocess.run(command, cwd=home / "work", capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "a model\n"), done.stderr
    assert secure.store.objects["/mlflow/1/r/artifacts/model.txt"]
    assert all(request.headers["Authorization"].startswith("Bearer ") for request in secure.to("/api/"))


def test_the_command_line_does_all_with_it_from_login_to_logout(
    secure: Double, ca_file: str, pauses: list[float], capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["login", "--device", "--ca-file", ca_file]) == 0
    Path(ca_file).unlink()
    assert [cli.main([command]) for command in ("status", "credentials", "env", "logout")] == [0] * 4
    shown = capsys.readouterr().out
    assert f"trusts   {certificates.kept(secure.url)}" in shown
    assert "credentials are given" in shown
    assert len(secure.to("/realms/test/revoke")) == 1


def test_a_login_in_the_browser_trusts_it(secure: Double, ca_file: str, monkeypatch: pytest.MonkeyPatch):
    def browse(url: str) -> bool:
        threading.Thread(target=requests.get, args=(url,), kwargs={"verify": ca_file, "timeout": 10}).start()
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    assert log_in(secure.url, "browser", offline=False, ca_file=ca_file).tokens.username == "dev"


def test_a_shell_and_its_tools_trust_it_by_what_env_prints(secure: Double, securely: LoginFile):
    shown = run("env").stdout
    assert not [secret for secret in secure.handed_out if secret in shown]
    own = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "NO_PROXY": "localhost"}
    keys = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": secure.url}
    script = f"{shown}\nexec {shlex.quote(sys.executable)} -c {shlex.quote(TOOLS)}"
    done = subprocess.run(["sh", "-eu", "-c", script], env={**own, **keys}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50  # everybody's authorities too
    assert secure.store.objects["/mlflow/a"]


def test_the_shells_variables_are_quoted(
    secure: Double, ca_file: str, home: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "it's a $(false) folder"))
    log_in(secure.url, "device", offline=False, ca_file=ca_file)
    script = f'{run("env").stdout}\nprintf %s "$AWS_CA_BUNDLE"'
    done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == certificates.kept(secure.url)


def test_with_a_public_certificate_there_is_nothing_to_set(
    secure: Double, ca_file: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)  # stands for what everybody trusts
    log_in(secure.url, "device", offline=False)
    shown = run("env").stdout
    assert "MLFLOW_TRACKING_URI" in shown
    assert not [name for name in ("CERT", "BUNDLE") if name in shown]
    assert certificates.kept(secure.url) is None


def test_boto3_trusts_it_by_the_profile_alone(
    secure: Double, ca_file: str, program: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    assert cli.main(["login", "--device", "--ca-file", ca_file, "--aws-profile", "mlflow"]) == 0
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    boto3.Session(profile_name="mlflow").client("s3").put_object(Bucket="mlflow", Key="a", Body=b"a")
    assert secure.store.objects["/mlflow/a"]


def test_it_is_kept_for_its_owner_alone_and_without_a_key(
    secure: Double, ca_file: str, own_authority: Pair, pauses: list[float]
):
    Path(ca_file).write_text(f"{own_authority.key_pem}a comment\n{own_authority.pem}")
    log_in(secure.url, "device", offline=False, ca_file=ca_file)
    path = Path(str(certificates.kept(secure.url)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert text.startswith(own_authority.pem)
    assert Path(DEFAULT_CA_BUNDLE_PATH).read_text() in text
    assert "PRIVATE" not in text
    assert len(list(path.parent.iterdir())) == 3  # the login, its lock, and this


@pytest.mark.parametrize("between", ["nothing", "logout"])
def test_a_later_login_keeps_it(secure: Double, securely: LoginFile, pauses: list[float], between: str):
    before = Path(str(certificates.kept(secure.url))).read_text()
    if between == "logout":
        assert log_out(secure.url)
    log_in(secure.url, "device", offline=False)
    assert Path(str(certificates.kept(secure.url))).read_text() == before


def test_a_later_login_takes_what_is_trusted_by_then(
    secure: Double, securely: LoginFile, home: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    (home / "usual.pem").write_text(companys := authority("The company's").pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home / "usual.pem"))
    log_in(secure.url, "device", offline=False)
    text = Path(str(certificates.kept(secure.url))).read_text()
    assert text.endswith(companys)
    assert text.count("BEGIN CERTIFICATE") == 2


def test_another_authority_replaces_it(
    secure: Double, securely: LoginFile, home: Path, own_authority: Pair, pauses: list[float]
):
    new = authority("A new one")
    (home / "new.pem").write_text(new.pem)
    secure.tls = tls.certificate(new).context()
    log_in(secure.url, "device", offline=False, ca_file=str(home / "new.pem"))
    text = Path(str(certificates.kept(secure.url))).read_text()
    assert text.startswith(new.pem)
    assert own_authority.pem not in text


def test_a_login_that_fails_keeps_no_authority(secure: Double, ca_file: str, pauses: list[float]):
    secure.refuses = "access_denied"
    with pytest.raises(certificates.ClientError, match="refused"):
        log_in(secure.url, "device", offline=False, ca_file=ca_file)
    assert certificates.kept(secure.url) is None
    assert list(certificates.folder().iterdir()) == []


def test_it_is_trusted_for_its_own_server_alone(secure: Double, securely: LoginFile):
    assert certificates.trusted("https://another.example") is True
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(secure.url, timeout=5)


def test_what_the_user_names_to_mlflow_wins_but_not_what_env_once_printed(
    secure: Double, securely: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    kept = certificates.kept(secure.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/the/companys.pem")
    assert certificates.trusted(secure.url) == kept
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificates.folder() / "another-server.pem"))
    assert certificates.trusted(secure.url) == kept
    assert certificates.trusted("https://another.example") == "/the/companys.pem"
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/my/own.pem")
    assert certificates.trusted(secure.url) == "/my/own.pem"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "holds no certificate as PEM"),
        (b"\x30\x82\x01\x0a" * 9, "holds no certificate as PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a damaged certificate"),
        (b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "holds a damaged certificate"),
        (SERVERS.pem.encode(), "holds no authority's certificate, but a server's alone"),
        (SERVERS.key_pem.encode(), "holds no certificate as PEM"),
    ],
    ids=range(7),
)
def test_a_file_that_is_no_authoritys_is_told_at_once(
    secure: Double, ca_file: str, content: bytes | None, told: str, capsys: pytest.CaptureFixture[str]
):
    if content is None:
        Path(ca_file).unlink()
    else:
        Path(ca_file).write_bytes(content)
    assert cli.main(["login", "--device", "--ca-file", ca_file]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mlflow-platform: --ca-file {ca_file} {told}")
    assert "give the certificate of the platform's authority" in line
    assert secure.requests == []


@given(st.binary(max_size=40), st.integers(0, len(SERVERS.pem)), st.sampled_from([SERVERS, authority()]))
def test_any_file_is_an_authoritys_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, other: bytes, place: int, one: Pair
):
    path = tmp_path_factory.mktemp("any") / "ca.pem"
    path.write_bytes(one.pem[:place].encode() + other + one.pem[place:].encode())
    try:
        pem = certificates.authorities(str(path))
    except certificates.ClientError as error:
        assert str(path) in str(error)
    else:
        assert ssl.create_default_context(cadata=pem).get_ca_certs()


def test_with_http_an_authority_has_no_use(platform: Double, ca_file: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["login", "--device", "--ca-file", ca_file]) == 1
    assert "--ca-file is for https" in capsys.readouterr().err
    assert platform.requests == []


@pytest.mark.posix
@pytest.mark.parametrize("spoil", [lambda path: path.chmod(0o644), lambda path: path.parent.chmod(0o755)])
def test_what_others_could_have_written_is_not_trusted(secure: Double, securely: LoginFile, spoil):
    ssl.create_default_context(cafile=certificates.kept(secure.url))
    spoil(Path(str(certificates.kept(secure.url))))
    with pytest.raises(certificates.ClientError, match="open to others"):
        log_in(secure.url, "device", offline=False)
    assert secure.requests == []
