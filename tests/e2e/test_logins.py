"""Logging in with the client as people do: in a browser that it opens, for weeks, or by hand with a token."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from mlflow_platform.client import tokens
from playwright.sync_api import expect

from tests.e2e import keycloak
from tests.e2e.browser import Person
from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import CLIENT, Platform

pytestmark = pytest.mark.e2e


def home_of(platform: Platform, home: Path, **more: str) -> dict[str, str]:
    return platform.environment(XDG_STATE_HOME=str(home), HOME=str(home), **more)


def test_a_login_opens_the_browser_and_comes_back_by_itself(
    platform: Platform, someone: Callable[[str], Person], tmp_path: Path
):
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened.new && mv {tmp_path}/opened.new {tmp_path}/opened\n')
    program.chmod(0o755)
    environment = home_of(platform, tmp_path, BROWSER=str(program))
    with subprocess.Popen([CLIENT, "login"], env=environment, stderr=subprocess.PIPE, text=True) as login:
        try:
            opened = tmp_path / "opened"
            deadline = time.monotonic() + 60
            while not opened.exists() and login.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            person = someone("client login")
            person.open(opened.read_text().strip())
            person.log_in("dev")
            expect(person.page.get_by_text("You can close this page")).to_be_visible()
            person.saw("logged in")
            said = login.communicate(timeout=60)[1]
        finally:
            login.kill()
    assert login.returncode == 0, said
    assert f"Logged in to {platform.url} as dev" in said
    assert "as dev" in platform.run([CLIENT, "status"], environment).replace("user     ", "as ")


def test_an_offline_login_goes_on_without_a_session_in_keycloak(platform: Platform, tmp_path: Path):
    platform.log_in("dev", tmp_path, "--offline")
    environment = home_of(platform, tmp_path)
    assert "you log out" in platform.run([CLIENT, "status"], environment)
    (file,) = tmp_path.rglob("mlflow-platform/*.json")
    kept = json.loads(file.read_text())
    with keycloak.administration(platform.stack.ports["admin_keycloak"], platform.outputs["keycloak_admin"]) as admin:
        sessions = admin.get(f"/users/{keycloak.user_id(admin, 'dev')}/sessions").json()
    assert tokens.claims(kept["tokens"]["access_token"])["sid"] not in [session["id"] for session in sessions]
    kept["tokens"]["expires_at"] = 0  # as if the access token had ended
    file.write_text(json.dumps(kept))
    assert "credentials are given" in platform.run([CLIENT, "status"], environment)
    platform.run([CLIENT, "logout"], environment)
    assert refreshed(kept) == "invalid_grant"


def test_a_new_login_ends_the_one_before_and_no_other(platform: Platform, tmp_path: Path):
    laptop, cluster = tmp_path / "laptop", tmp_path / "cluster"
    platform.log_in("dev", laptop, "--offline")
    (file,) = laptop.rglob("mlflow-platform/*.json")
    before = json.loads(file.read_text())
    platform.log_in("dev", cluster)
    platform.log_in("dev", laptop)
    assert refreshed(before) == "invalid_grant"
    for home in (laptop, cluster):
        assert "credentials are given" in platform.run([CLIENT, "status"], home_of(platform, home))


def refreshed(kept: dict[str, dict[str, str]]) -> str | None:
    """What Keycloak says to a login file's refresh token."""
    form = {"grant_type": "refresh_token", "client_id": kept["client_id"]}
    token = kept["tokens"]["refresh_token"]
    answer = httpx.post(str(kept["token_endpoint"]), data={**form, "refresh_token": token}, trust_env=False)
    return answer.json().get("error")


def test_a_token_by_hand_is_exchanged_for_credentials(platform: Platform, tmp_path: Path):
    script = f'eval "$(python {ROOT}/examples/session.py)" && python -c "$LIST"'
    bucket = platform.outputs["artifact_bucket"]
    listing = "import boto3, os; s3 = boto3.client('s3', endpoint_url=os.environ['MLFLOW_S3_ENDPOINT_URL'])\n"
    listing += f"s3.put_object(Bucket='{bucket}', Key='by-hand', Body=b'x')\n"
    listing += "print(s3.list_buckets()['Buckets'][0]['Name'])"
    environment = home_of(platform, tmp_path, MLFLOW_TRACKING_TOKEN=platform.token("dev"), LIST=listing)
    path = f"{Path(CLIENT).parent}:{environment['PATH']}"
    assert platform.run(["sh", "-c", script], {**environment, "PATH": path}).strip() == bucket
