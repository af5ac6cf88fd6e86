"""Secrets stay where they belong: not in what Docker shows, not in logs, not in the state, not in images."""

import json
from collections.abc import Iterable

import docker
import pytest

from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def secrets(platform: Platform, trained: str) -> dict[str, str]:
    """Everything secret by a name to report it by: made up by the stack, or handed out to the tests so far."""
    platform.session(platform.token("ada"))
    made_up = platform.stack.passwords()
    given = platform.outputs
    exported = {
        **given["dev_users"],
        "keycloak_admin": given["keycloak_admin"]["password"],
        "minio_root": given["minio_root"]["password"],
    }
    assert set(exported.values()) <= set(made_up.values())
    # The signature alone is a token's secret part; its payload is in it, too.
    handed_out = {f"handed out {n}": value.rpartition(".")[2] for n, value in enumerate(platform.handed_out)}
    return {**made_up, **handed_out}


def shown(secrets: dict[str, str], texts: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{secret} in {place}" for place, text in texts for secret, value in secrets.items() if value in text]


def test_docker_inspect_shows_no_secret(platform: Platform, secrets: dict[str, str]):
    containers = platform.stack.all_containers()
    assert shown(secrets, ((str(it.name), json.dumps(it.attrs)) for it in containers)) == []


def test_no_container_logs_a_secret(platform: Platform, secrets: dict[str, str]):
    containers = platform.stack.containers()
    assert shown(secrets, ((str(it.name), it.logs().decode(errors="replace")) for it in containers)) == []


def test_no_process_has_a_secret_on_its_command_line(platform: Platform, secrets: dict[str, str]):
    containers = platform.stack.containers()
    assert shown(secrets, ((str(it.name), json.dumps(it.top(ps_args="-eo pid,args"))) for it in containers)) == []


def test_the_state_has_secrets_only_encrypted(platform: Platform, secrets: dict[str, str]):
    files = platform.stack.state_files()
    assert any(file.name == f"{platform.stack.name}.json" for file in files)
    texts = ((file.name, file.read_text(errors="replace")) for file in files)
    assert shown({**secrets, "passphrase": platform.stack.passphrase}, texts) == []


def test_no_image_has_a_secret_in_its_history(platform: Platform, secrets: dict[str, str]):
    api = docker.from_env().api
    images = {container.attrs["Image"] for container in platform.stack.containers()}
    assert len(images) == 6
    texts = ((image, json.dumps([api.history(image), api.inspect_image(image)])) for image in images)
    assert shown(secrets, texts) == []
