"""Each way to ask for a backup or for a part of one, as docs/operations.md has them."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from docker.models.containers import Container
from minio import Minio

from tests import ssh
from tests.conformance.containers import archive
from tests.e2e.checkouts import until_well
from tests.e2e.conftest import Platform
from tests.e2e.restores.restoring import Elsewhere, artifacts, log, run_named, runs, serving
from tests.e2e.tools.mc import mc

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROOT, SECRET = "root-of-another", "secret-of-another"


def done(platform: Platform, *command: str) -> str:
    """What it prints; it has to succeed."""
    finished = platform.stack.platform(*command)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


@contextmanager
def machine(image: str, command: list[str], **options: Any) -> Iterator[Container]:
    """On Docker's default network, where restores are, too; its own volumes go with it."""
    host = docker.from_env()
    files = options.pop("files", {})
    container = host.containers.create(image, command, **options)
    try:
        if files:
            container.put_archive("/", archive(files))
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def address(container: Container) -> str:
    container.reload()
    return container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]


def _age(version: dict[str, Any]) -> int:
    return version["versionOrdinal"]


@pytest.fixture(autouse=True)
def up(backed_up: Platform) -> None:
    done(backed_up, "up")


def state_comes_from(elsewhere: Elsewhere, platform: Platform, *place: str, **variables: str) -> None:
    """Into a checkout that has none, while the stack runs."""
    before = serving(platform.stack)
    found = elsewhere.platform("restore", *place, "--only", "state", **variables)
    assert found.returncode == 0, found.stderr
    assert "nothing else was touched" in found.stderr
    assert elsewhere.outputs() == platform.outputs
    assert serving(platform.stack) == before


def test_backups_are_made_listed_and_verified(backed_up: Platform):
    log(backed_up, "listed")
    assert "base backup" in done(backed_up, "backup", "now", "--base")
    heading, *rows = done(backed_up, "backup", "list").splitlines()
    assert heading.split()[:3] == ["BACKUP", "AS", "OF"]
    assert " runs, " in rows[-1] and " artifacts, " in rows[-1]
    done(backed_up, "backup", "verify")
    done(backed_up, "backup", "verify", "--deep")


def test_an_s3_server_is_a_place_to_restore_from(backed_up: Platform, place: Path, key: Path, elsewhere: Elsewhere):
    """With the folder's files as objects: a place is the same, whatever holds it."""
    done(backed_up, "backup", "now")
    image = backed_up.stack.container("minio-1").attrs["Image"]
    environment = {"MINIO_ROOT_USER": ROOT, "MINIO_ROOT_PASSWORD": SECRET}
    with machine(image, ["server", "/data"], environment=environment) as store:
        at = f"{address(store)}:9000"
        bucket = Minio(at, ROOT, SECRET, secure=False)
        bucket.make_bucket("backups")  # which tries again until it is there
        for file in place.rglob("*"):
            if file.is_file():
                bucket.fput_object("backups", f"mlflow/{file.relative_to(place)}", str(file))
        from_there = ("--from", f"s3:http://{at}/backups/mlflow", "--key-file", str(key))

        keys = {"AWS_ACCESS_KEY_ID": ROOT, "AWS_SECRET_ACCESS_KEY": "another"}
        refused = elsewhere.platform("restore", *from_there, "--only", "state", **keys)
        assert refused.returncode == 1
        assert "it refuses the secret key" in refused.stderr.splitlines()[-1]
        state_comes_from(elsewhere, backed_up, *from_there, **{**keys, "AWS_SECRET_ACCESS_KEY": SECRET})


def test_a_machine_reached_by_ssh_is_a_place_to_restore_from(
    backed_up: Platform, place: Path, key: Path, elsewhere: Elsewhere, tmp_path: Path
):
    done(backed_up, "backup", "now")
    own_key = Ed25519PrivateKey.generate()
    file = tmp_path / "id"
    file.write_text(ssh.private(own_key))
    copied = shutil.copytree(place, tmp_path / "copied")
    volumes = {str(copied): {"bind": ssh.FOLDER, "mode": "rw"}}
    with machine(ssh.image(), ssh.COMMAND, files=ssh.files(own_key), volumes=volumes) as server:
        server.exec_run(["chown", "-R", ssh.USER, ssh.FOLDER])
        host_keys = [f"--host-key={host_key}" for host_key in ssh.host_keys(server)]
        at = f"sftp://{ssh.USER}@{address(server)}{ssh.FOLDER}"
        from_there = ("--from", at, "--key-file", str(key), "--ssh-key", str(file))

        other = f"--host-key={ssh.public(Ed25519PrivateKey.generate())}"
        refused = elsewhere.platform("restore", *from_there, other, "--only", "state")
        assert refused.returncode == 1
        assert "its host key is none of those that are believed" in refused.stderr.splitlines()[-1]
        state_comes_from(elsewhere, backed_up, *from_there, *host_keys)


def test_artifacts_alone_come_back_and_what_came_later_stays(backed_up: Platform):
    log(backed_up, "deleted", "overwritten")
    done(backed_up, "backup", "now")
    s3, bucket = backed_up.s3(backed_up.token("dev")), backed_up.outputs["artifact_bucket"]
    keys = {key.rpartition("/")[2]: key for key in backed_up.objects(backed_up.token("dev"))}
    s3.delete_object(Bucket=bucket, Key=keys["deleted.txt"])
    s3.put_object(Bucket=bucket, Key=keys["overwritten.txt"], Body=b"by mistake")
    log(backed_up, "of later")
    there = runs(backed_up)

    done(backed_up, "restore", "--only", "artifacts", "--yes")

    for name in ("deleted", "overwritten", "of later"):
        key = keys.get(f"{name}.txt") or next(key for key in backed_up.objects(backed_up.token("dev")) if name in key)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == name.encode()
    assert runs(backed_up) == there


def test_records_alone_are_as_of_a_second_and_artifacts_stay(backed_up: Platform):
    log(backed_up, "before it")
    time.sleep(2)
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    before = runs(backed_up)
    time.sleep(2)
    log(backed_up, "after it")
    done(backed_up, "backup", "now")
    there = artifacts(backed_up)

    done(backed_up, "restore", "--only", "database", "--at", at, "--yes")

    assert runs(backed_up) == before
    assert artifacts(backed_up) == there >= {"after it"}
    until_well(lambda: backed_up.stack.platform("status"))


def test_a_version_of_before_is_brought_back_by_an_administrator(backed_up: Platform, tmp_path: Path):
    dev, bucket = backed_up.s3(backed_up.token("dev")), backed_up.outputs["artifact_bucket"]
    for body in (b"right", b"wrong"):
        dev.put_object(Bucket=bucket, Key="twice.txt", Body=body)
    found = backed_up.session(backed_up.token("ada"))
    keys = f"{found['access_key']}:{found['secret_key']}:{found['session_token']}"
    at = urlsplit(found["endpoint"])
    environment = {**os.environ, "MC_HOST_platform": f"{at.scheme}://{keys}@{at.netloc}"}
    program, file = str(mc(tmp_path)), f"platform/{bucket}/twice.txt"
    shown = backed_up.run([program, "ls", "--versions", "--json", file], environment)
    right, _ = [version["versionId"] for version in sorted(map(json.loads, shown.splitlines()), key=_age)]

    backed_up.run([program, "cp", "--version-id", right, file, file], environment)

    assert dev.get_object(Bucket=bucket, Key="twice.txt")["Body"].read() == b"right"


def test_a_deleted_run_is_restored_by_mlflows_own_command(backed_up: Platform):
    log(backed_up, "deleted by mistake")
    run = run_named(backed_up, "deleted by mistake")
    mlflow, environment = str(Path(sys.executable).parent / "mlflow"), backed_up.logged_in("ada")
    backed_up.run([mlflow, "runs", "delete", "--run-id", run], environment)
    assert "deleted by mistake" not in runs(backed_up)
    backed_up.run([mlflow, "runs", "restore", "--run-id", run], environment)
    assert "deleted by mistake" in runs(backed_up)
