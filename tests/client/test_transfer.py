"""Files go by obstore as they went by boto3: nothing is lost, told or believed that was not before."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow_platform.client import storage, transfer
from mlflow_platform.client.store import LoginFile

from tests.authority import authority
from tests.client import tls
from tests.client.double import Double
from tests.client.object_store import Answer
from tests.client.test_storage import folder, repository

MB = 1024 * 1024
BIG = bytes(range(256)) * 4096 * 40  # 40 MB: five parts
THERE = "/mlflow/1/artifacts/"
BOTO3, OBSTORE = "Boto3", "object_store"


def movers(platform: Double) -> set[str]:
    """Who asked for objects, or sent them."""
    return {request.headers["User-Agent"].partition("/")[0] for request in platform.to(THERE)}


def big(home: Path, content: bytes = BIG) -> str:
    (home / "big.bin").write_bytes(content)
    return str(home / "big.bin")


def uploaded(platform: Double, home: Path) -> S3ArtifactRepository:
    """The repository that has the big file; nobody has asked for it yet."""
    found = repository(platform)
    found.log_artifact(big(home))
    assert movers(platform) == {BOTO3}
    platform.requests.clear()
    return found


def down(found: S3ArtifactRepository, name: str, home: Path) -> bytes:
    """What is downloaded; nothing else may be left in the folder."""
    (to := home / "down").mkdir(exist_ok=True)
    found._download_file(name, str(to / "it"))
    assert [entry.name for entry in to.iterdir()] == ["it"]
    return (to / "it").read_bytes()


def test_files_go_up_and_come_down_without_boto3(platform: Double, logged_in: LoginFile, home: Path):
    found = repository(platform)
    found.log_artifacts(str(folder(home)))
    assert down(found, "3.txt", home) == b"3"
    assert movers(platform) == {OBSTORE}
    sent = [request for request in platform.to(THERE) if request.body]
    assert len(sent) == 5
    assert all(request.headers["x-amz-content-sha256"] == sha256(request.body).hexdigest() for request in sent)


def test_what_is_large_goes_up_by_boto3_and_comes_down_without(platform: Double, logged_in: LoginFile, home: Path):
    found = uploaded(platform, home)
    assert platform.store.objects[f"{THERE}big.bin"] == BIG
    assert down(found, "big.bin", home) == BIG
    assert movers(platform) == {OBSTORE}


def test_they_go_over_https_too(secure: Double, securely: LoginFile, home: Path):
    found = uploaded(secure, home)
    found.log_artifacts(str(folder(home)))
    assert down(found, "big.bin", home) == BIG
    assert movers(secure) == {OBSTORE}


@pytest.mark.parametrize("name", ["a.txt", "model.json", "a.tar.gz", "b.csv.bz2", "weights.unknown", "README"])
def test_the_type_is_what_mlflow_says(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    (home / name).write_bytes(b"content")

    def told() -> list[str | None]:
        repository(platform).log_artifact(str(home / name))
        sent = platform.to(THERE)[-1].headers
        encoding = sent.get("Content-Encoding", "").removesuffix("aws-chunked").removesuffix(",")
        return [sent.get("Content-Type"), encoding]

    ours = told()
    monkeypatch.setattr(transfer, "_process", 0)
    assert ours == told()
    assert movers(platform) == {OBSTORE, BOTO3}


def test_what_obstore_knows_nothing_of_is_boto3s(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_S3_UPLOAD_EXTRA_ARGS", '{"Metadata": {"made-by": "me"}}')
    repository(platform).log_artifact(big(home, b"content"))
    (request,) = platform.to(THERE)
    assert request.headers["x-amz-meta-made-by"] == "me"
    assert movers(platform) == {BOTO3}


@pytest.mark.parametrize("refused", [False, True])
def test_credentials_are_renewed_in_the_middle(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
):
    """Ahead of their end; and where MinIO does not know them any more, by boto3, which begins the file anew."""
    found = uploaded(platform, home)
    credentials = found._get_s3_client()._request_signer._credentials
    before = platform.sts_calls()
    monkeypatch.setattr(transfer, "_PARTS", 1)
    used: list[str] = []

    def slow(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        used.append(headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        if headers.get("Range", "").startswith(f"bytes={8 * MB}-") and len(platform.store.keys) == 1:
            if refused:
                platform.store.keys = dict.fromkeys(platform.store.keys, 0.0)
            credentials._expiry_time -= timedelta(seconds=0 if refused else 3590)
            time.sleep(1.1)
        return None

    monkeypatch.setattr(platform.store, "instead", slow)
    assert down(found, "big.bin", home) == BIG
    assert (len(set(used)), platform.sts_calls()) == (2, before + 1)
    assert (BOTO3 in movers(platform)) == refused


def test_a_server_that_drops_its_connections_is_waited_for(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    found = uploaded(platform, home)
    dropped = threading.Event()

    def restart() -> None:
        platform.stop()
        time.sleep(1)
        platform.start()

    def drop(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        if headers.get("Range", "").startswith(f"bytes={16 * MB}-") and not dropped.is_set():
            dropped.set()
            threading.Thread(target=restart).start()
            time.sleep(0.5)
        return None

    monkeypatch.setattr(platform.store, "instead", drop)
    assert down(found, "big.bin", home) == BIG
    assert dropped.is_set()
    assert movers(platform) == {OBSTORE}


def test_parts_come_down_at_once(platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch):
    found = uploaded(platform, home)
    all_are_asked = threading.Barrier(4, timeout=30)

    def wait(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        if not headers.get("Range", "bytes=0-").startswith("bytes=0-"):
            all_are_asked.wait()
        return None

    monkeypatch.setattr(platform.store, "instead", wait)
    assert down(found, "big.bin", home) == BIG
    ranges = [request.headers["Range"].removeprefix("bytes=").split("-") for request in platform.to(THERE)]
    assert sorted(int(end) - int(start) + 1 for start, end in ranges) == [8 * MB] * 5
    assert movers(platform) == {OBSTORE}


def test_a_file_that_does_not_come_whole_does_not_appear(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    found = uploaded(platform, home)

    def refuse(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        return (403, {}, b"") if headers.get("Range", "").startswith(f"bytes={32 * MB}-") else None

    monkeypatch.setattr(platform.store, "instead", refuse)
    (home / "down").mkdir()
    (home / "down" / "old").write_text("old")
    with pytest.raises(ClientError, match="403"):
        found._download_file("big.bin", str(home / "down" / "old"))
    assert [entry.name for entry in (home / "down").iterdir()] == ["old"]
    assert (home / "down" / "old").read_text() == "old"


def test_what_is_damaged_on_its_way_is_asked_for_again(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    found = repository(platform)
    found.log_artifact(big(home, b"content"))
    etag = next(iter(platform.store._get(b"content", {})[1].values()))

    def damage(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        by_obstore = headers["User-Agent"].startswith(OBSTORE)
        return (206, {"etag": etag, "content-range": "bytes 0-6/7"}, b"c0ntent") if by_obstore else None

    monkeypatch.setattr(platform.store, "instead", damage)
    assert down(found, "big.bin", home) == b"content"
    assert movers(platform) == {OBSTORE, BOTO3}


def test_no_file_is_of_two_objects(platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch):
    found = uploaded(platform, home)

    def overwrite(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        if not headers.get("Range", "bytes=0-").startswith("bytes=0-"):
            platform.store.objects[f"{THERE}big.bin"] = BIG[::-1]
        return None

    monkeypatch.setattr(platform.store, "instead", overwrite)
    assert down(found, "big.bin", home) == BIG[::-1]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell has whatever it starts in the background ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.posix
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it(platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transfer, "_PARTS", 1)
    found = uploaded(platform, home)

    def interrupt(method: str, address: str, headers: Mapping[str, str]) -> Answer | None:
        if headers.get("Range", "").startswith(f"bytes={16 * MB}-"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return None

    monkeypatch.setattr(platform.store, "instead", interrupt)
    with pytest.raises(KeyboardInterrupt):
        found._download_file("big.bin", str(home / "back"))
    assert not [it for it in platform.to(THERE) if it.headers.get("Range", "").startswith(f"bytes={32 * MB}-")]
    assert not (home / "back").exists()
    assert movers(platform) == {OBSTORE}


def test_an_error_is_boto3s_and_tells_nothing_else(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    found = repository(platform)
    told = b"<Error><Code>AccessDenied</Code><Message>said by the server</Message></Error>"
    monkeypatch.setattr(platform.store, "instead", lambda *_: (403, {}, told))
    with pytest.raises(S3UploadFailedError, match="AccessDenied") as refused:
        found.log_artifact(big(home, b"content"))
    shown = "".join(traceback.format_exception(refused.value))
    assert not [name for name in ("PermissionDenied", "object_store") if name in shown]
    assert not [secret for secret in platform.handed_out if secret in shown]
    assert movers(platform) == {OBSTORE, BOTO3}


def options() -> list[str]:
    """What obstore can be told, by its own types: each is a variable too, and they are more than it documents."""
    types = [files("obstore").joinpath("_store", name).read_text() for name in ("_aws.pyi", "_client.pyi")]
    named = re.findall(r"^    (\w+): ", "".join(types), re.MULTILINE)
    return sorted({*named, "endpoint", "endpoint_url", "endpoint_url_s3", "bucket_name", "sse_kms_key_id", "token"})


@pytest.mark.parametrize("value", ["true", "AES256", "another"])
def test_no_variable_leads_elsewhere_or_changes_what_is_sent(
    platform: Double,
    other: Double,
    logged_in: LoginFile,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
):
    def sent() -> set[tuple[str, str]]:
        """The headers that do not differ anyway; those of boto3 are no matter of obstore's."""
        storage._s3.cache_clear()
        platform.requests.clear()
        repository(platform).log_artifact(path)
        request = platform.to(THERE)[-1]
        assert request.headers["Authorization"].partition("Credential=")[2].startswith("AK")
        assert (request.method, platform.store.objects.pop(f"{THERE}big.bin")) == ("PUT", b"content")
        own = {"authorization", "x-amz-date", "x-amz-security-token"}
        return {(name.lower(), its) for name, its in request.headers.items() if name.lower() not in own}

    path = big(home, b"content")
    expected = sent()
    assert movers(platform) == {OBSTORE}
    carried = set()
    for name in options():
        with monkeypatch.context() as patch:
            patch.setenv(f"AWS_{name.upper()}", other.url if value == "another" else value)
            changed = sent() - expected
            assert not changed or movers(platform) == {BOTO3}, name
            carried |= movers(platform)
    assert OBSTORE in carried
    assert other.requests == []


def test_all_variables_that_matter_at_once_change_nothing(
    platform: Double, other: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_PROXY_URL"):
        monkeypatch.setenv(name, other.url)
    for name in ("AWS_SKIP_SIGNATURE", "AWS_UNSIGNED_PAYLOAD", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_S3_EXPRESS"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_BUCKET", "another")
    repository(platform).log_artifact(big(home, b"content"))
    assert platform.store.objects == {f"{THERE}big.bin": b"content"}
    assert movers(platform) == {OBSTORE}
    assert other.requests == []


def test_encryption_that_the_environment_asks_for_is_not_asked_of_the_platform(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_server_side_encryption", "AES256")  # obstore minds no case behind AWS_
    repository(platform).log_artifact(big(home, b"content"))
    assert not [name for name in platform.to(THERE)[-1].headers if "encryption" in name.lower()]


@pytest.mark.parametrize("size", [7, len(BIG)])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_no_redirect_takes_a_session_or_a_file_elsewhere(
    platform: Double,
    other: Double,
    logged_in: LoginFile,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    direction: str,
):
    monkeypatch.setenv("NO_PROXY", "*")
    found = repository(platform)
    path = big(home, BIG[:size])
    found.log_artifact(path)
    platform.requests.clear()
    platform.moved_to = other.url.replace("127.0.0.1", "localhost")
    with pytest.raises((S3UploadFailedError, ClientError)):
        found.log_artifact(path) if direction == "up" else down(found, "big.bin", home)
    assert movers(platform) == ({BOTO3} if direction == "up" and size > 8 * MB else {OBSTORE, BOTO3})
    assert other.requests == []


def test_a_proxy_is_boto3s(platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", platform.url)
    found = repository(platform)
    found.log_artifact(big(home, b"content"))
    assert {request.headers["User-Agent"].partition("/")[0] for request in platform.requests} >= {BOTO3}
    assert not [request for request in platform.requests if request.headers["User-Agent"].startswith(OBSTORE)]


@pytest.mark.parametrize("size", [7, len(BIG)])
def test_an_authority_that_this_machine_trusts_is_none_of_the_platforms(
    secure: Double, securely: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch, size: int
):
    machines = authority()
    (home / "machine.pem").write_text(machines.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "machine.pem"))
    found = repository(secure)
    path = big(home, BIG[:size])
    found.log_artifact(path)
    secure.stop()
    with tls.listening(secure.port, tls.certificate(machines).context()) as received:
        began = time.monotonic()
        with pytest.raises(Exception, match="is not trusted, and nothing was sent"):
            found.log_artifact(path)
    assert received == b""
    assert time.monotonic() - began < 20  # it is of no use to try again


@pytest.mark.posix
def test_a_fork_goes_by_boto3(platform: Double, logged_in: LoginFile, home: Path):
    path = big(home, b"content")
    repository(platform).log_artifact(path)
    assert movers(platform) == {OBSTORE}
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends it where it waits for the parent's threads
        repository(platform).log_artifact(path, "child")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert platform.store.objects[f"{THERE}child/big.bin"] == b"content"
    assert movers(platform) == {OBSTORE, BOTO3}


def started(program: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("before", ["", "import obstore", "sys.modules['obstore'] = None"])
def test_boto3_does_it_where_obstore_is_somebody_elses_or_nobodys(
    platform: Double, logged_in: LoginFile, home: Path, before: str
):
    program = (
        f"import sys; {before}\n"
        "from mlflow_platform.client import sessions, storage\n"
        f"client = storage.client(sessions.find({platform.url!r}), 'mlflow')\n"
        f"client.upload_file({big(home, b'content')!r}, 'mlflow', {THERE.removeprefix('/mlflow/') + 'a'!r})"
    )
    started(program)
    assert platform.store.objects[f"{THERE}a"] == b"content"
    assert movers(platform) == {BOTO3 if before else OBSTORE}
