"""The program `mlflow-platform`: what it prints, where it fails, and what other tools make of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import boto3
import pytest
from mlflow_platform.client import aws_profile, cli
from mlflow_platform.client.store import LoginFile

from tests.client.conftest import age
from tests.client.double import Double

PROGRAM = "import sys; from mlflow_platform.client.cli import main; sys.exit(main())"


def run(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, cwd="plugin", capture_output=True, text=True, check=False, timeout=60, stdin=stdin)


@pytest.fixture
def program(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The console script, as pip would install it."""
    script = home / "bin with a space" / "mlflow-platform"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys; sys.path.insert(0, {str(Path('plugin').absolute())!r})\n{PROGRAM}\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(script)])
    return str(script)


@pytest.mark.parametrize("command", [["status"], ["token"], ["credentials"]])
def test_without_a_login_there_is_one_sentence_and_exit_code_1(platform: Double, command: Sequence[str]):
    done = run(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"mlflow-platform: You are not logged in to {platform.url}; run `mlflow-platform login`."
    ]


def test_without_browser_and_terminal_nobody_is_asked(platform: Double):
    done = run("login")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "MLFLOW_PLATFORM_CLIENT_ID" in done.stderr


def test_a_login_that_has_ended_is_one_sentence(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    platform.refuses = "invalid_grant"
    done = run("status")
    assert done.returncode == 1
    assert done.stderr == f"mlflow-platform: Your login to {platform.url} has ended; run `mlflow-platform login`.\n"


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "http://127.0.0.1:1"])
def test_a_tracking_uri_that_is_no_platform_is_one_sentence(home: Path, uri: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    done = run("env")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_status_says_who_until_when_and_what_of_the_storage(platform: Double, logged_in: LoginFile):
    shown = run("status")
    assert shown.returncode == 0, shown.stderr
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert lines["server"] == platform.url
    assert lines["user"] == "dev"
    assert lines["until"].startswith("20")
    assert lines["storage"] == f"s3://mlflow at {platform.url}: credentials are given"
    platform.store.error = "AccessDenied"
    assert "no credentials" in run("status").stdout
    assert not [secret for secret in platform.handed_out if secret in shown.stdout]


def test_env_exports_what_a_shell_needs_and_no_secret(platform: Double, logged_in: LoginFile):
    shown = run("env").stdout
    assert f"export MLFLOW_TRACKING_URI={platform.url}\n" in shown
    assert f"export MLFLOW_S3_ENDPOINT_URL={platform.url}\n" in shown
    assert "AWS_PROFILE" not in shown
    assert not [secret for secret in platform.handed_out if secret in shown]


def test_credentials_are_what_aws_tools_expect(platform: Double, logged_in: LoginFile):
    given = json.loads(run("credentials").stdout)
    assert given.keys() == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert given["Version"] == 1
    assert {given["SecretAccessKey"], given["SessionToken"]} <= platform.handed_out


def test_a_token_is_printed_alone_and_has_most_of_its_life_before_it(platform: Double, logged_in: LoginFile):
    age(logged_in, 100)  # of 300 seconds: good for MLflow, and not for a program that cannot renew it
    shown = run("token")
    login = logged_in.load()
    assert login and shown.stdout == f"{login.tokens.access_token}\n"
    assert login.tokens.remaining() > 0.75 * login.tokens.lifetime
    assert (shown.returncode, shown.stderr) == (0, "")
    assert run("token").stdout == shown.stdout


def test_a_service_gets_credentials_without_a_login(platform: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_SECRET", platform.client_secret)
    assert json.loads(run("credentials").stdout)["Version"] == 1
    status = run("status").stdout
    assert "service-account-ci" in status
    assert platform.client_secret not in status


def test_boto3_works_by_the_profile(
    platform: Double, logged_in: LoginFile, program: str, monkeypatch: pytest.MonkeyPatch
):
    assert cli.main(["login", "--device", "--aws-profile", "mlflow"]) == 0
    session = boto3.Session(profile_name="mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # the profile knows its server
    s3 = session.client("s3")
    s3.put_object(Bucket="mlflow", Key="a", Body=b"a")
    assert (s3.meta.endpoint_url, session.region_name) == (platform.url, "us-east-1")
    assert platform.store.objects["/mlflow/a"]
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "mlflow", "Key": "a"})
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link


@pytest.fixture
def config(home: Path) -> Path:
    (home / ".aws").mkdir()
    return home / ".aws" / "config"


@pytest.fixture
def write(platform: Double) -> Callable[[str], Path]:
    from mlflow_platform.client import discovery

    found = discovery.platform(platform.url)
    return lambda name: aws_profile.write(name, found, "/opt/with a space/mlflow-platform")


def test_a_profile_leaves_the_rest_of_the_file_as_it_is(config: Path, write: Callable[[str], Path]):
    before = "# mine\n[default]\nregion = eu-west-1  \n\n; about the next\n[profile work]\nrole_arn=arn:x\n"
    config.write_text(before)
    config.chmod(0o644)
    write("mlflow")
    text = config.read_text()
    assert text.startswith(before)
    assert config.stat().st_mode & 0o777 == 0o644
    write("mlflow")
    assert config.read_text() == text


def test_a_profile_in_the_middle_is_replaced_in_its_place(config: Path, write: Callable[[str], Path], platform: Double):
    write("mlflow")
    after = "\n# about work\n[profile work]\nregion = eu-west-1\n"
    config.write_text(config.read_text().replace(platform.url, "http://old.example") + after)
    write("mlflow")
    text = config.read_text()
    assert text.endswith(after)
    assert "old.example" not in text
    assert text.count("[profile mlflow]") == 1
    assert aws_profile.find(platform.url) == "mlflow"


@pytest.mark.parametrize(
    "existing",
    [
        "[profile mlflow]\nregion = eu-west-1\n",
        "[profile mlflow]\ncredential_process = somebody elses\n",
        "[profile mlflow]\ncredential_process = 'unbalanced\n",
    ],
)
def test_a_profile_that_is_somebody_elses_is_not_overwritten(
    config: Path, platform: Double, existing: str, capsys: pytest.CaptureFixture[str]
):
    config.write_text(existing)
    assert cli.main(["login", "--device", "--aws-profile", "mlflow"]) == 1
    assert "is not the platform's" in capsys.readouterr().err
    assert config.read_text() == existing
    assert platform.requests == []  # it is said before anybody logs in


def test_keys_that_would_win_over_the_profile_are_an_error(
    config: Path, platform: Double, capsys: pytest.CaptureFixture[str]
):
    config.with_name("credentials").write_text("[mlflow]\naws_access_key_id = a\naws_secret_access_key = b\n")
    assert cli.main(["login", "--aws-profile", "mlflow"]) == 1
    assert "come first" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["default", "a b", "a]\n[b", "", "../x"])
def test_a_profiles_name_is_a_name(platform: Double, name: str):
    with pytest.raises(aws_profile.ClientError, match="cannot be the profile"):
        aws_profile.check_name(name)


def test_a_config_file_that_is_a_link_stays_one(config: Path, write: Callable[[str], Path], home: Path):
    (home / "dotfiles").write_text("")
    config.symlink_to(home / "dotfiles")
    write("mlflow")
    assert config.is_symlink()
    assert "[profile mlflow]" in (home / "dotfiles").read_text()


def test_no_secret_is_on_a_command_line_or_in_a_traceback(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    """Even of an error that nobody thought of."""
    program = f"import mlflow_platform.client.cli as cli; cli.ClientError = KeyError; {PROGRAM}"
    platform.store.error = "AccessDenied"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "credentials"], cwd="plugin", stderr=subprocess.PIPE, text=True
    )
    seen = ""
    while process.poll() is None:
        listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True)
        seen += listed.stdout
    assert process.stderr
    error = process.stderr.read()
    assert "Traceback" in error
    assert not [secret for secret in platform.handed_out if secret in seen + error]


def test_ctrl_c_is_quiet(platform: Double, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "log_in", interrupt)
    assert cli.main(["login", "--device"]) == 1
    assert capsys.readouterr().err == "mlflow-platform: interrupted\n"
