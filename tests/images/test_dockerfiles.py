"""What every image we build promises, read from its files."""

import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted([*ROOT.glob("images/*/Dockerfile"), ROOT / "plugin/Dockerfile"])
ENTRYPOINTS = sorted(ROOT.glob("images/*/*.sh"))
HEALTHCHECK_TOOLS = {"minio": "curl", "nginx": "curl"}

dockerfiles = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
entrypoints = pytest.mark.parametrize("path", ENTRYPOINTS, ids=lambda path: path.parent.name)


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile in order, comments dropped and continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name, rest) for name, rest in pairs]


def last_stage(path: Path) -> list[tuple[str, str]]:
    """What ends up in the image: the instructions after the last FROM."""
    steps = instructions(path)
    start = max(index for index, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start + 1 :]


def commands(steps: list[tuple[str, str]], program: str) -> list[str]:
    """The shell commands of RUN instructions that call a program."""
    parts = (part.strip() for name, rest in steps if name == "RUN" for part in rest.split("&&"))
    return [part for part in parts if part.split()[0] == program]


@dockerfiles
def test_every_stage_starts_from_the_base_or_from_an_earlier_stage(path: Path):
    steps = instructions(path)
    assert steps[0] == ("ARG", "BASE")

    known = {"${BASE}"}
    for image, *alias in (rest.split() for name, rest in steps if name == "FROM"):
        assert image in known
        known.update(alias[1:])


@dockerfiles
def test_a_later_day_of_debians_packages_is_a_new_image(path: Path):
    """The builder knows a step by its text and the arguments before it: without one, fixes would never be fetched."""
    of_the_day = ("ARG", "PACKAGES_OF")
    steps = instructions(path)
    next_step = next(rest for name, rest in steps[steps.index(of_the_day) :] if name == "RUN")
    assert "apt-get upgrade -y" in next_step


def test_no_two_stages_on_the_base_begin_alike():
    """Of equal steps the classic builder takes the newest as cached, and so loses what was built on its twin."""
    firsts = [
        second
        for path in DOCKERFILES
        for first, second in pairwise(instructions(path))
        if first[0] == "FROM" and first[1].startswith("${BASE}")
    ]
    assert len(firsts) == len(set(firsts))


@dockerfiles
def test_the_classic_builder_and_buildkit_both_understand_it(path: Path):
    for name, rest in instructions(path):
        assert not (name == "RUN" and rest.startswith("--")), "RUN --mount needs BuildKit"
        assert "<<" not in rest, "a here-document needs BuildKit"


@dockerfiles
def test_no_host_is_named(path: Path):
    for name, rest in instructions(path):
        assert "://" not in rest, f"{name} names a host; clients know their registries themselves"
        assert name != "ADD", "COPY says what it does; ADD also fetches and unpacks"


@dockerfiles
def test_packages_come_without_extras_and_leave_no_lists(path: Path):
    for command in commands(instructions(path), "apt-get"):
        if "install" in shlex.split(command):
            assert "--no-install-recommends" in command

    if commands(last_stage(path), "apt-get"):
        assert "apt-get clean" in commands(last_stage(path), "apt-get")
        assert any("/var/lib/apt/lists" in command for command in commands(last_stage(path), "rm"))


@dockerfiles
def test_it_runs_as_an_ordinary_user(path: Path):
    users = [rest for name, rest in last_stage(path) if name == "USER"]
    if users:
        assert users[-1].split(":")[0].isdigit(), "a number, so that orchestrators can tell it is not root"
        assert int(users[-1].split(":")[0]) >= 100
    else:  # takes over a volume first, then drops root for good
        assert "exec setpriv --reuid=" in (path.parent / "docker-entrypoint.sh").read_text()


@dockerfiles
def test_the_context_holds_only_what_is_copied(path: Path):
    first, *allowed = (path.parent / ".dockerignore").read_text().splitlines()
    assert first == "*"

    context = [rest for name, rest in instructions(path) if name == "COPY" and "--from=" not in rest]
    copied = {source for rest in context for source in shlex.split(rest)[:-1]}
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == copied


@dockerfiles
def test_no_secret_can_enter_a_layer(path: Path):
    for name, rest in instructions(path):
        if name in ("ARG", "ENV"):
            assert not re.search(r"password|secret|token|_key", rest, re.IGNORECASE)


@pytest.mark.parametrize(("image", "tool"), HEALTHCHECK_TOOLS.items())
def test_the_tool_of_the_healthcheck_is_installed(image: str, tool: str):
    installs = commands(last_stage(ROOT / "images" / image / "Dockerfile"), "apt-get")
    assert any("install" in command and tool in command.split() for command in installs)


@entrypoints
def test_an_entrypoint_is_executable_and_stops_at_the_first_error(path: Path):
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in path.read_text()
    subprocess.run(["sh", "-n", path], check=True)


@entrypoints
def test_an_entrypoint_becomes_its_server(path: Path):
    assert path.read_text().rstrip().endswith('exec "$@"'), "signals must reach the server"


def test_the_requirements_of_mlflow_are_pinned_by_hash():
    lines = (ROOT / "plugin/requirements-server.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", " "))]
    assert packages
    assert all(re.match(r"[\w.-]+==\S+ \\$", line) for line in packages)
