"""Places of other machines: an S3 server that is not the stack's own, and one that is reached by SSH."""

import io
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from docker.models.containers import Container

from tests import ssh
from tests.images.backups import KNOWN_HOSTS, ROOT, Service, Stage, until
from tests.images.restores import Restore, RestoreError

pytestmark = pytest.mark.slow
MINUTES = 240.0


def everything_works(stage: Stage, service: Service) -> None:
    until(lambda: service.status().get("last") or "refuses" in str(service.failing()), MINUTES)
    stage.bucket().put_object("mlflow", "elsewhere", io.BytesIO(b"far away"), 8)
    what = f"far away, in {service.settings['place']['name']}"
    stage.happens(what)
    service.ask("now")
    service.ask("verify", "--deep")
    assert what in Restore(service).happened()
    assert Restore(service).objects()["elsewhere"] == b"far away"


@pytest.fixture(scope="module")
def outside(stage: Stage) -> Container:
    store = stage.object_store("outside")
    stage.bucket(store).make_bucket("safe")
    return store


def s3(path: str = "safe/mlflow") -> dict[str, str]:
    endpoint = "http://outside:9000"  # over TLS in a stack
    return {"kind": "s3", "name": f"{endpoint}/{path}", "endpoint": endpoint, "region": "us-east-1", "path": path}


def test_an_s3_server_holds_a_backup_and_may_be_away_for_a_while(stage: Stage, outside: Container):
    keys = {"access_key_id": "root", "secret_access_key": ROOT}
    service = stage.service(s3(), secrets=keys, artifacts_every=15)
    everything_works(stage, service)
    names = [str(entry.object_name) for entry in stage.bucket(outside).list_objects("safe", recursive=True)]
    assert names and all(name.startswith("mlflow/") and "manifests" not in name for name in names)

    outside.stop(timeout=5)
    at = stage.happens("while the place was away")
    why = until(lambda: service.failing().get("shipping the log", ""), MINUTES)
    assert re.fullmatch(r"http://outside:9000/safe/mlflow: .{5,80}", why)
    outside.start()
    until(lambda: not service.failing() and service.shipped(at), MINUTES)
    assert Restore(service).happened()[-1] == "while the place was away"
    service.container.remove(force=True)


@pytest.mark.parametrize(
    ("path", "access", "secret", "reason"),
    [
        ("safe", "nobody", ROOT, "it does not know the access key"),
        ("safe", "root", "not-roots-password", "it refuses the secret key"),
        ("nosuch", "root", ROOT, "the bucket is not there"),
    ],
)
def test_what_an_s3_server_refuses_is_said(
    stage: Stage, outside: Container, path: str, access: str, secret: str, reason: str
):
    service = stage.service(s3(path), secrets={"access_key_id": access, "secret_access_key": secret})
    why = until(lambda: service.failing().get("shipping the log", ""), MINUTES)
    assert why == f"http://outside:9000/{path}: {reason}"
    service.container.remove(force=True)


@pytest.fixture(scope="module")
def own_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def host_keys(stage: Stage, own_key: Ed25519PrivateKey) -> list[str]:
    """Of a machine that takes the key and has several of its own."""
    machine = stage.run("machine", ssh.image(), ssh.COMMAND, files=ssh.files(own_key))
    return until(lambda: ssh.host_keys(machine))


def sftp(stage: Stage, own_key: Ed25519PrivateKey, host_keys: list[str]) -> Service:
    place = {"kind": "sftp", "name": "sftp://machine/srv/safe", "host": "machine", "port": 22, "user": ssh.USER}
    place |= {"path": ssh.FOLDER, "known_hosts_file": KNOWN_HOSTS}
    files = {KNOWN_HOSTS: "".join(f"machine {key}\n" for key in host_keys)}
    return stage.service(place, secrets={"key_pem": ssh.private(own_key)}, files=files)


@pytest.mark.usefixtures("host_keys")
def test_a_machine_with_another_host_key_is_refused(stage: Stage, own_key: Ed25519PrivateKey):
    service = sftp(stage, own_key, [ssh.public(Ed25519PrivateKey.generate())])
    why = until(lambda: service.failing().get("shipping the log", ""), MINUTES)
    assert why.startswith("sftp://machine/srv/safe: its host key is none of those that are believed")
    service.container.remove(force=True)


def test_a_machine_that_does_not_know_the_key_says_so(stage: Stage, host_keys: list[str]):
    service = sftp(stage, Ed25519PrivateKey.generate(), host_keys)
    why = until(lambda: service.failing().get("shipping the log", ""), MINUTES)
    assert "it does not accept the SSH key (the output backup_public_key" in why
    service.container.remove(force=True)


def test_a_machine_reached_by_ssh_holds_a_backup(stage: Stage, own_key: Ed25519PrivateKey, host_keys: list[str]):
    service = sftp(stage, own_key, host_keys)
    everything_works(stage, service)
    with pytest.raises(RestoreError, match="no backup that this key opens"):
        Restore(service, key="another key of this length").look()
    service.container.remove(force=True)
