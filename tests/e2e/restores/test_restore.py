"""A stack whose machine is lost, or whose records are wrong, as it was: from the place and the key alone."""

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.checkouts import checkout, until_well
from tests.e2e.conftest import Platform
from tests.e2e.restores.restoring import (
    Elsewhere,
    Look,
    artifacts,
    content,
    delete_for_good,
    encrypted,
    flip,
    later_login,
    log,
    lose,
    run_named,
    runs,
    serving,
    until_said,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_from_place_and_key_alone_everything_is_back_and_any_second_of_it(
    backed_up: Platform, place: Path, key: Path, tmp_path: Path
):
    stack = backed_up.stack
    # With a backend and a passphrase that the fixture knows, which has to take the restored stack down.
    elsewhere = Elsewhere(checkout(tmp_path / "elsewhere"), stack, stack.backend, stack.passphrase)
    log(backed_up, "a", "b")
    time.sleep(2)
    middle = datetime.now(UTC)
    time.sleep(2)
    log(backed_up, "c")
    made = stack.platform("backup", "now")
    assert made.returncode == 0, made.stderr
    assert "3 runs, 3 metrics" in made.stdout and "3 objects" in made.stdout
    log(backed_up, "d")
    refresh_token = later_login(backed_up, elsewhere.program.parent / "home")
    time.sleep(5)
    lose(stack)

    done = elsewhere.platform("restore", "--from", str(place), "--key-file", str(key), "--yes")

    assert done.returncode == 0, done.stderr
    restored = Platform(stack, elsewhere.outputs(), homes={})
    assert restored.outputs == backed_up.outputs
    assert runs(restored) == {"a", "b", "c", "d"}
    assert artifacts(restored) == {"a", "b", "c"}  # that of d came after the last round
    assert set(stack.preview()) == {"same"}

    at = middle.strftime("%Y-%m-%d %H:%M:%S.%f")
    back = elsewhere.platform("restore", "--stack", stack.name, "--at", at, "--yes")

    assert back.returncode == 0, back.stderr
    assert runs(restored) == {"a", "b"}
    assert {"a", "b"} <= artifacts(restored)
    assert set(stack.refresh()) == set(stack.preview()) == {"same"}
    refreshed = httpx.post(
        f"{restored.outputs['oidc_issuer_url']}/protocol/openid-connect/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": restored.outputs["client_id"],
        },
    )
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
    until_well(lambda: elsewhere.platform("status", "--stack", stack.name))


def test_a_checkout_that_lost_its_state_gets_it_back_and_changes_nothing(
    backed_up: Platform, place: Path, key: Path, elsewhere: Elsewhere
):
    stack = backed_up.stack
    assert stack.platform("up").returncode == 0
    assert stack.platform("backup", "now").returncode == 0
    before = {container.id for container in stack.all_containers()}

    done = elsewhere.platform("restore", "--from", str(place), "--key-file", str(key))

    assert done.returncode == 0, done.stderr
    assert "nothing else was touched" in done.stderr
    assert {container.id for container in stack.all_containers()} == before
    planned = elsewhere.platform("preview", "--stack", stack.name)
    assert " unchanged (" in planned.stdout and "to " not in planned.stdout.splitlines()[-1], planned.stdout


def test_a_wrong_key_an_empty_place_and_a_time_before_the_first_backup_are_said_and_change_nothing(
    backed_up: Platform, place: Path, key: Path, elsewhere: Elsewhere, tmp_path: Path
):
    def refused(*arguments: str) -> str:
        failed = elsewhere.platform("restore", *arguments, "--yes")
        assert failed.returncode == 1, failed.stderr
        return failed.stderr.splitlines()[-1]

    before = {container.id for container in backed_up.stack.all_containers()}
    wrong = tmp_path / "wrong.key"
    wrong.write_text("another key of the same length ..")
    assert "no backup that this key opens" in refused("--from", str(place), "--key-file", str(wrong))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no backup that this key opens" in refused("--from", str(empty), "--key-file", str(key))
    early = refused("--from", str(place), "--key-file", str(key), "--at", "2020-01-01 00:00:00")
    assert "no backup that is old enough; the first is of 20" in early
    assert "is no place" in refused("--from", "ftp://somewhere", "--key-file", str(key))
    assert {container.id for container in backed_up.stack.all_containers()} == before
    shutil.rmtree(empty)


def test_one_run_that_is_gone_for_good_comes_back_and_nothing_else_changes(backed_up: Platform):
    stack = backed_up.stack
    log(backed_up, "gone", "stays")
    assert stack.platform("backup", "now").returncode == 0
    token = backed_up.token("dev")
    before = runs(backed_up)
    run = run_named(backed_up, "gone")
    refused = stack.platform("restore", "--only", run, "--yes")
    assert f"Run {run} is there: it is not deleted." in refused.stderr
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    time.sleep(2)
    delete_for_good(backed_up, run)
    log(backed_up, "later")
    assert runs(backed_up) == before - {"gone"} | {"later"}

    done = stack.platform("restore", "--only", run, "--at", at, "--yes")

    assert done.returncode == 0, done.stderr
    assert runs(backed_up) == before | {"later"}
    assert "gone" in artifacts(backed_up)
    history = backed_up.ask(token, "GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss").json()
    assert [metric["value"] for metric in history["metrics"]] == [1]
    assert "has no run " in stack.platform("restore", "--only", "0" * 32, "--yes").stderr
    until_well(lambda: stack.platform("status"))


def test_a_look_beside_the_running_stack_leaves_that_as_it_is_and_nothing_of_itself(backed_up: Platform, look: Look):
    stack = backed_up.stack
    log(backed_up, "seen")
    assert stack.platform("backup", "now").returncode == 0
    seen, there = runs(backed_up), artifacts(backed_up)
    before = serving(stack)

    def refused(settings: dict[str, Any]) -> str:
        look.write(settings)
        failed = look.platform("restore", "--stack", stack.name, "--into", look.name, "--yes")
        assert failed.returncode == 1, failed.stderr
        return failed.stderr.splitlines()[-1]

    assert f"sends backups to the place of stack {stack.name}" in refused({})
    alone = {"backup": {"to": {"kind": "none"}}}
    taken = refused({**alone, "prefix": f"mlflow-{stack.name}"})
    assert f"The prefix mlflow-{stack.name} is that of stack {stack.name}" in taken
    ports = ", ".join(map(str, sorted(stack.ports.values())))
    assert f"ports {ports} already in use" in refused({**alone, "ports": stack.ports})
    assert look.left() == []

    look.write(alone)
    done = look.platform("restore", "--stack", stack.name, "--into", look.name, "--yes")

    assert done.returncode == 0, done.stderr
    beside = Platform(stack, look.outputs(), homes={})
    assert (runs(beside), artifacts(beside)) == (seen, there)
    log(beside, "of the look")
    assert runs(backed_up) == seen
    gone = look.platform("destroy", "--stack", look.name, "--delete-data", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert look.left() == []
    assert serving(stack) == before
    assert (runs(backed_up), artifacts(backed_up)) == (seen, there)
    assert set(stack.preview()) == {"same"}


def test_a_restore_that_is_killed_goes_on_with_the_same_command_and_the_place_is_as_it_was(
    backed_up: Platform, place: Path
):
    stack = backed_up.stack
    assert stack.platform("up").returncode == 0
    log(backed_up, "old")
    assert stack.platform("backup", "now").returncode == 0
    log(backed_up, "new")
    time.sleep(5)
    before, there = runs(backed_up), artifacts(backed_up)
    untouched = serving(stack)

    stack.killed_at("fetch the records ...", "restore", "--yes")

    assert serving(stack) == untouched
    assert runs(backed_up) == before
    stack.killed_at("✓ stop mlflow-", "restore", "--yes")
    stack.killed_at("+ Container postgres:", "restore", "--yes")
    stored = content(place)
    stack.killed_at("bring back the artifacts ...", "restore", "--yes")
    until_said(stack, "a restore of this stack is unfinished")
    assert content(place) == stored

    done = stack.platform("restore", "--yes")

    assert done.returncode == 0, done.stderr
    assert "this one goes on from there" in done.stderr
    assert (runs(backed_up), artifacts(backed_up)) == (before, there)
    assert set(stack.refresh()) == set(stack.preview()) == {"same"}
    assert not [thing.name for thing in stack.all_containers() if "restore" in str(thing.name)]
    until_well(lambda: stack.platform("status"))


def test_a_restore_that_fails_after_the_exchange_is_taken_back_and_backups_go_on(backed_up: Platform, place: Path):
    stack = backed_up.stack
    weights = os.urandom(123_456)
    log(backed_up, "early")
    s3 = backed_up.s3(backed_up.token("dev"))
    s3.put_object(Bucket=backed_up.outputs["artifact_bucket"], Key="weights", Body=weights)
    assert stack.platform("backup", "now").returncode == 0
    time.sleep(2)
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    time.sleep(2)
    log(backed_up, "since")
    s3.delete_object(Bucket=backed_up.outputs["artifact_bucket"], Key="weights")
    before = runs(backed_up)
    (stored,) = (file for file in place.rglob("*") if file.is_file() and file.stat().st_size == encrypted(len(weights)))
    flip(stored)

    failed = stack.platform("restore", "--at", at, "--yes")

    assert failed.returncode == 1
    assert "damaged" in failed.stderr
    assert f"./platform restore --undo --stack {stack.name} brings it back" in failed.stderr.splitlines()[-1]
    assert "since" not in runs(backed_up)
    flip(stored)  # as it was
    undone = stack.platform("restore", "--undo")
    assert undone.returncode == 0, undone.stderr
    assert runs(backed_up) == before
    assert set(stack.refresh()) == set(stack.preview()) == {"same"}
    assert "There is nothing to undo" in stack.platform("restore", "--undo").stderr
    until_well(lambda: stack.platform("status"))

    done = stack.platform("restore", "--yes")  # to the newest, which is not what was taken back
    assert done.returncode == 0, done.stderr
    assert runs(backed_up) == before
