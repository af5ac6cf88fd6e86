"""What an operation says where there is no terminal: on events as the engine sends them, and on a real small stack."""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher.console import Failure
from launcher.paths import Paths
from launcher.progress import Progress
from launcher.stack import Stack
from tests.conformance.stacks import install_plugins

ROOT = Path(__file__).parents[2]
IMAGE, CONTAINER = "docker:index/image:Image", "docker:index/container:Container"
PROGRAM = """
import os

import pulumi
import pulumi_random as random

length = int(os.environ["LENGTH"])
pulumi.export("password", random.RandomPassword("first", length=length, min_lower=4).result)
if length > 20:
    raise ValueError("the program is broken")
"""


def urn(type: str, name: str) -> str:
    return f"urn:pulumi:dev::mlflow-platform::mlflow-platform:index:Part${type}::{name}"


def step(kind: str, op: str, type: str, name: str, **more: Any) -> str:
    custom = {"custom": True} if ":" in type and not type.startswith("mlflow-platform:") else {}
    state = {**custom, "outputs": {"password": "in the state"}}
    return json.dumps({kind: {"metadata": {"op": op, "urn": urn(type, name), "type": type, "new": state}, **more}})


def says(severity: str, message: str, of: str = "", **more: Any) -> str:
    return json.dumps({"diagnosticEvent": {"severity": severity, "message": message, "urn": of, **more}})


def summary(changes: dict[str, int], result: str = "succeeded", **more: Any) -> str:
    return json.dumps({"summaryEvent": {"result": result, "durationSeconds": 99, "resourceChanges": changes, **more}})


def followed(*events: str, verb: str = "up") -> Progress:
    progress = Progress(verb)
    progress.follow(events)
    return progress


def test_each_thing_is_one_line_when_it_is_done(capsys: pytest.CaptureFixture[str]):
    followed(
        json.dumps({"preludeEvent": {"config": {"a:password": "in the settings"}}}),
        step("resourcePreEvent", "create", "mlflow-platform:index:Images", "images"),
        step("resourcePreEvent", "create", IMAGE, "minio"),
        says("info", "Step 1/2 : RUN curl --silent", urn(IMAGE, "minio"), ephemeral=True),
        says("info", "Step 2/2 : CMD minio", urn(IMAGE, "minio"), ephemeral=True),
        says("debug", "sys:1: RuntimeWarning"),
        step("resourcePreEvent", "same", CONTAINER, "postgres"),
        step("resOutputsEvent", "same", CONTAINER, "postgres"),
        step("resOutputsEvent", "create", IMAGE, "minio"),
        step("resourcePreEvent", "create", "pulumi:providers:minio", "minio-admin"),
        step("resOutputsEvent", "create", "pulumi:providers:minio", "minio-admin"),
        step("resourcePreEvent", "update", CONTAINER, "gateway"),
        step("resOutputsEvent", "update", CONTAINER, "gateway"),
        step("resourcePreEvent", "delete", CONTAINER, "old"),
        step("resOutputsEvent", "delete", CONTAINER, "old"),
        step("resOutputsEvent", "create", "mlflow-platform:index:Images", "images"),
        summary({"create": 3, "update": 1, "delete": 1, "same": 1}),
        json.dumps({"cancelEvent": {}}),
    )
    assert capsys.readouterr().out.splitlines() == [
        " + Image minio: 0.0 s",
        " ~ Container gateway: 0.0 s",
        " - Container old: 0.0 s",
        " ✓ pulumi up: 3 created, 1 deleted, 1 unchanged, 1 changed (1 min 39 s)",
    ]


def test_a_preview_says_what_would_be_and_a_refresh_what_was_not_as_expected(capsys: pytest.CaptureFixture[str]):
    followed(
        step("resourcePreEvent", "create", IMAGE, "minio", planning=True),
        step("resOutputsEvent", "create", IMAGE, "minio", planning=True),
        summary({"create": 1, "same": 2}, isPreview=True),
        verb="preview",
    )
    followed(
        step("resourcePreEvent", "refresh", IMAGE, "minio"),
        step("resOutputsEvent", "same", IMAGE, "minio"),
        step("resourcePreEvent", "refresh", CONTAINER, "minio"),
        step("resOutputsEvent", "delete", CONTAINER, "minio"),
        verb="refresh",
    )
    assert capsys.readouterr().out.splitlines() == [
        " + Image minio",
        " ✓ pulumi preview: 1 to create, 2 unchanged (1 min 39 s)",
        " - Container minio: 0.0 s",
    ]


def test_what_takes_long_says_that_it_goes_on(capsys: pytest.CaptureFixture[str]):
    def slow() -> Iterator[str]:
        yield step("resourcePreEvent", "create", "mlflow-platform:index:Images", "images")
        yield step("resourcePreEvent", "create", IMAGE, "minio")
        give_up = time.monotonic() + 10
        while "..." not in (printed := capsys.readouterr().out) and time.monotonic() < give_up:
            time.sleep(0.01)
        seen.append(printed)
        yield step("resOutputsEvent", "create", IMAGE, "minio")

    seen: list[str] = []
    Progress("up", heartbeat=0.05).follow(slow())
    assert re.fullmatch(r"   \.\.\. Image minio \(\d\.\d s\)", seen[0].splitlines()[0])


def test_a_failure_has_every_error_in_full_once(capsys: pytest.CaptureFixture[str]):
    broken = "cannot build image minio: Step 2/2 failed: returned a non-zero code: 3\n    its last line\n"
    progress = followed(
        says("warning", "old\n"),
        step("resourcePreEvent", "create", IMAGE, "minio"),
        says("error", broken, urn(IMAGE, "minio")),
        step("resOpFailedEvent", "create", IMAGE, "minio"),
        says("error", "update failed\n", "urn:pulumi:dev::mlflow-platform::pulumi:pulumi:Stack::mlflow-platform-dev"),
        summary({}, "failed"),
    )
    assert capsys.readouterr().out.splitlines() == [" ! old", " ✗ Image minio: failed after 0.0 s"]
    assert progress.failure() == f": Image minio: {broken.rstrip()}"


def test_a_failure_of_several_begins_with_the_known_cause(capsys: pytest.CaptureFixture[str]):
    taken = "Bind for 0.0.0.0:5000 failed: port is already allocated"
    progress = followed(says("error", taken, urn(CONTAINER, "gateway")), says("error", "another"))
    first, *rest = progress.failure().splitlines()
    assert first.startswith(": port 5000 is already in use")
    assert rest == [f"  Container gateway: {taken}", "  another"]
    assert followed().failure() == "."


def test_what_is_no_event_is_passed_on(capsys: pytest.CaptureFixture[str]):
    followed("a word of the CLI's own\n")
    assert capsys.readouterr().out == "a word of the CLI's own\n"


@pytest.mark.parametrize(
    ("arguments", "ours"),
    [
        (["refresh", "--yes"], True),
        (["preview"], True),
        (["preview", "--diff"], False),
        (["up", "--yes", "--json"], False),
        (["destroy", "--help"], False),
        (["stack", "output"], False),
        ([], False),
    ],
    ids=str,
)
def test_pulumis_own_display_stays_where_it_is_asked_for(
    programs, paths: Paths, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], ours: bool
):
    programs("pulumi", f"echo \"$@\" > {tmp_path}/calls; echo '{summary({'same': 1})}'")
    assert Stack("dev", paths.root, paths.own, {}).run(arguments) == 0
    assert (tmp_path / "calls").read_text().split() == [*arguments, *(["--json", "--color=never"] if ours else [])]
    assert ("1 unchanged" in capfd.readouterr().out) is ours


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stack]:
    """A stack of one password, under the real CLI."""
    if not shutil.which("pulumi"):
        pytest.fail("there is no pulumi on PATH: run these tests with ./platform test, which makes one")
    for folder in ("program", "own", "state"):
        (tmp_path / folder).mkdir()
    install_plugins(tmp_path / "home", sys.executable, ROOT)
    (tmp_path / "program" / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    (tmp_path / "program" / "__main__.py").write_text(PROGRAM)
    environment = {
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "of the test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LENGTH": "12",
    }
    stack = Stack("dev", tmp_path / "program", tmp_path / "own", environment)
    stack.make_ready()
    yield stack
    stack.destroy()


def test_a_real_stacks_life_is_a_line_for_each_thing_and_shows_no_secret(
    small: Stack, capfd: pytest.CaptureFixture[str]
):
    capfd.readouterr()
    small.up()
    password = small.outputs(secrets=True)["password"]
    assert small.run(["preview"]) == small.run(["refresh", "--yes"]) == 0
    longer = Stack(small.name, small.root, small.own, {**small.environment, "LENGTH": "13"})
    assert longer.run(["preview"]) == 0
    small.destroy()
    said, complained = capfd.readouterr()
    assert complained == ""
    assert password not in said
    lines = [line.partition(":")[0] if line[1] in "+-" else line.rpartition(" (")[0] for line in said.splitlines()]
    assert lines == [
        " + RandomPassword first",
        " ✓ pulumi up: 2 created",
        " ✓ pulumi preview: 2 unchanged",
        " ✓ pulumi refresh, planned: 2 unchanged",
        " ✓ pulumi refresh: 2 unchanged",
        " ++ RandomPassword first (length)",
        " -- RandomPassword first",
        " ✓ pulumi preview: 1 to replace, 1 unchanged",
        " - RandomPassword first",
        " ✓ pulumi destroy: 2 deleted",
    ]


@pytest.mark.parametrize(
    ("length", "reason"),
    [("3", "RandomPassword first: .*'length' must be at least 4"), ("21", r"The program failed:(?:.|\n)*is broken")],
    ids=["a wrong input", "a broken program"],
)
def test_a_real_stack_that_fails_says_why_once(
    small: Stack, capfd: pytest.CaptureFixture[str], length: str, reason: str
):
    capfd.readouterr()
    broken = Stack(small.name, small.root, small.own, {**small.environment, "LENGTH": length})
    with pytest.raises(Failure, match=f"pulumi up of stack dev failed: {reason}"):
        broken.up()
    said, complained = capfd.readouterr()
    assert complained == ""
    assert all(line.startswith(" + ") for line in said.splitlines())
