"""Artifacts go straight to the object store, with credentials that are the user's own and renew themselves."""

import os
import shutil
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import certifi
import pytest
from boto3.exceptions import S3UploadFailedError
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow_platform.client import discovery, errors, sessions, storage
from mlflow_platform.client.store import LoginFile

from tests.client.conftest import age
from tests.client.double import Double


def repository(platform: Double, bucket: str = "mlflow") -> S3ArtifactRepository:
    """As MLflow finds it, by its entry point."""
    found = get_artifact_repository(f"s3://{bucket}/1/artifacts", tracking_uri=platform.url)
    assert isinstance(found, S3ArtifactRepository)
    return found


def key_id(client: object) -> str:
    return client._request_signer._credentials.access_key  # pyright: ignore[reportAttributeAccessIssue]


def folder(home: Path, files: int = 5) -> Path:
    (home / "data").mkdir()
    for number in range(files):
        (home / "data" / f"{number}.txt").write_text(str(number))
    return home / "data"


def test_a_folder_goes_up_and_comes_down_with_one_call_to_sts(platform: Double, logged_in: LoginFile, home: Path):
    repository(platform).log_artifacts(str(folder(home)), "data")
    assert len(platform.store.objects) == 5
    assert platform.sts_calls() == 1
    (down := home / "down").mkdir()
    repository(platform)._download_file("data/3.txt", str(down / "3.txt"))
    assert (down / "3.txt").read_text() == "3"
    assert platform.sts_calls() == 1


@pytest.mark.parametrize("below", [None, "deep/er"])
def test_a_folder_goes_where_mlflow_puts_it(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch, below: str | None
):
    (folder(home, files=2) / "a b" / "ü").mkdir(parents=True)
    for name in ("a b/1.txt", "a b/ü/2.txt"):
        (home / "data" / name).write_text(name)
    monkeypatch.chdir(home)
    repository(platform).log_artifacts("data", below)
    ours = dict(platform.store.objects)
    platform.store.objects.clear()
    S3ArtifactRepository.log_artifacts(repository(platform), "data", below)
    assert (len(ours), ours) == (4, platform.store.objects)


def test_a_folders_files_go_up_at_once(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    both_are_there = threading.Barrier(2, timeout=30)
    monkeypatch.setattr(platform.store, "takes", lambda path: both_are_there.wait() >= 0)
    repository(platform).log_artifacts(str(folder(home, files=2)))
    assert len(platform.store.objects) == 2


def test_the_first_file_that_is_refused_ends_an_upload(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch
):
    tried: list[str] = []
    monkeypatch.setattr(platform.store, "takes", lambda path: tried.append(path))
    found = repository(platform)
    with pytest.raises(S3UploadFailedError, match="403"):
        found.log_artifacts(str(folder(home, files=200)))
    assert len(tried) < 100
    ended = len(tried)
    found.thread_pool.shutdown()  # whatever was left would be done now
    assert len(tried) == ended


def test_sts_is_asked_for_the_time_that_the_platform_says(platform: Double, logged_in: LoginFile):
    repository(platform)._get_s3_client()
    form = next(request.form for request in platform.requests if "Action" in request.form)
    assert form["DurationSeconds"] == "3600"
    assert "RoleArn" not in form


def test_without_a_time_the_credentials_end_with_a_fresh_token(platform: Double, logged_in: LoginFile):
    platform.platform_changes = {"s3_credentials_seconds": None}
    age(logged_in, 100)
    repository(platform)._get_s3_client()
    assert platform.asked("refresh_token") == 1
    assert "DurationSeconds" not in next(request.form for request in platform.requests if "Action" in request.form)


def test_short_credentials_are_renewed_ahead_of_their_end_and_not_at_every_request(
    platform: Double, logged_in: LoginFile
):
    platform.platform_changes = {"s3_credentials_seconds": None}
    platform.store.life = 20
    client = repository(platform)._get_s3_client()
    first = key_id(client)
    for _ in range(10):
        client.put_object(Bucket="mlflow", Key="a", Body=b"a")
    assert (key_id(client), platform.sts_calls()) == (first, 1)
    client._request_signer._credentials._expiry_time -= timedelta(seconds=16)
    client.put_object(Bucket="mlflow", Key="a", Body=b"a")
    client.put_object(Bucket="mlflow", Key="a", Body=b"a")
    assert key_id(client) != first
    assert platform.sts_calls() == 2


def test_another_bucket_is_mlflows_and_the_users_own(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    theirs = repository(platform, "another")._get_s3_client()
    ours = repository(platform)._get_s3_client()
    assert (key_id(theirs), theirs.meta.endpoint_url) == ("AKIAUSER", "http://127.0.0.1:1")
    assert (key_id(ours)[:2], ours.meta.endpoint_url) == ("AK", platform.url)
    assert key_id(ours) != "AKIAUSER"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIAUSER"


def test_without_a_login_everything_is_mlflows_own(platform: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert key_id(repository(platform)._get_s3_client()) == "AKIAUSER"
    assert platform.requests == []


def test_the_users_profile_and_configuration_stay_out_of_it(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    client = repository(platform)._get_s3_client()
    client.put_object(Bucket="mlflow", Key="a", Body=b"a")
    assert platform.store.objects["/mlflow/a"]


def test_whoever_logs_in_as_somebody_else_gets_other_credentials(platform: Double, logged_in: LoginFile):
    before = key_id(repository(platform)._get_s3_client())
    platform.user = "vera"
    login = logged_in.load()
    assert login
    logged_in.save(replace(login, tokens=replace(login.tokens, username="vera")))
    assert key_id(repository(platform)._get_s3_client()) != before


def test_threads_begin_with_one_call_to_sts(platform: Double, logged_in: LoginFile):
    clients: list[object] = []
    threads = [threading.Thread(target=lambda: clients.append(repository(platform)._get_s3_client())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, clients))) == 1
    assert platform.sts_calls() == 1


def test_an_upload_waits_for_a_minio_that_restarts(platform: Double, logged_in: LoginFile, home: Path):
    client = repository(platform)._get_s3_client()
    platform.stop()
    back = threading.Timer(2, platform.start)
    back.start()
    client.put_object(Bucket="mlflow", Key="a", Body=b"a")
    back.join()
    assert platform.store.objects["/mlflow/a"]


@pytest.mark.parametrize("code", ["AccessDenied", "No, not you!", "x" * 500])
def test_a_refusal_is_one_sentence_without_the_token(platform: Double, logged_in: LoginFile, code: str):
    platform.store.error = code
    session = sessions.find(platform.url)
    assert session
    with pytest.raises(errors.ClientError, match="gives you no credentials") as refused:
        storage.credentials(session, discovery.platform(platform.url), attempts=1)
    assert len(str(refused.value)) < 250
    assert not [secret for secret in platform.handed_out if secret in str(refused.value)]
    assert refused.value.__suppress_context__


def test_credentials_have_their_expiry_in_utc(platform: Double, logged_in: LoginFile):
    session = sessions.find(platform.url)
    assert session
    given = storage.credentials(session, discovery.platform(platform.url))
    left = datetime.fromisoformat(given["expiry_time"]).timestamp() - time.time()
    assert abs(left - 3600) < 10


def test_the_first_artifact_waits_for_a_server_that_restarts(
    platform: Double, logged_in: LoginFile, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(platform, "down", True)
    monkeypatch.setattr("time.sleep", lambda seconds: (pauses.append(seconds), setattr(platform, "down", False)))
    assert repository(platform)._get_s3_client()
    assert pauses[0] == 0.5


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_trusted_for_the_object_store_too(
    platform: Double, logged_in: LoginFile, home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
):
    bundle = shutil.copy(certifi.where(), home / "ca.pem")
    monkeypatch.setenv(variable, str(bundle))
    assert repository(platform)._get_s3_client()._endpoint.http_session._verify == str(bundle)


@pytest.mark.posix
def test_a_fork_does_not_wait_for_an_upload_that_its_parent_had_begun(home: Path):
    with storage._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if storage._lock.acquire(timeout=5) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
