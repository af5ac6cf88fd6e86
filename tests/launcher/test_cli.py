"""The command line: what it takes, what it passes on, what it refuses."""

import shlex
import subprocess

import pytest

from launcher import cli, prepare
from launcher.console import Failure, duration, table
from launcher.paths import Paths
from launcher.stack import Stack

COMMANDS = ("up", "preview", "outputs", "status", "destroy", "test", "env", "pulumi")


def test_the_stack_is_dev_and_the_engine_is_found_unless_told_otherwise():
    options = cli.parse(["up"])
    assert (options.stack, options.engine, options.no_install) == ("dev", "auto", False)
    options = cli.parse(["up", "--stack", "prod", "--engine", "offline", "--no-install"])
    assert (options.stack, options.engine, options.no_install) == ("prod", "offline", True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        cli.parse([command, "--help"])
    assert ended.value.code == 0
    assert "--stack NAME" in capsys.readouterr().out


def test_pytest_gets_what_the_launcher_does_not_know():
    options = cli.parse(["test", "--all", "-k", "cache or cli", "tests/launcher", "-x"])
    assert options.all
    assert options.rest == ["-k", "cache or cli", "tests/launcher", "-x"]


def test_pulumi_gets_its_arguments_as_they_are():
    options = cli.parse(["pulumi", "--stack", "prod", "stack", "output", "--json", "--stack", "other"])
    assert (options.stack, options.rest) == ("prod", ["stack", "output", "--json", "--stack", "other"])


@pytest.mark.parametrize(
    "arguments", [["up", "--nonsense"], ["up", "extra"], ["up", "--engine", "both"], ["nonsense"], []]
)
def test_what_is_not_known_is_refused(arguments: list[str]):
    with pytest.raises(SystemExit) as ended:
        cli.parse(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("name", ["../etc", "a b", "", "-x", "a/b"])
def test_a_stack_name_that_is_none_is_refused(name: str):
    with pytest.raises(SystemExit):
        cli.parse(["up", f"--stack={name}"])


def test_a_failure_is_one_line_and_an_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def fail(*_: object, **__: object) -> Stack:
        raise Failure("the disk is full")

    monkeypatch.setattr(prepare, "stack", fail)
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err == "error: the disk is full\n"


def test_destroy_asks_first_and_without_a_terminal_deletes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(prepare, "stack", lambda *_, **__: pytest.fail("nothing may be prepared"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert cli.main(["destroy"]) == 1
    assert "--yes" in capsys.readouterr().err


def test_the_exports_survive_any_shell_character(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    odd = 'it\'s $HOME; `id` "x" \\ end'
    stack = Stack("dev", paths.root, paths.own, {"ODD": odd})
    monkeypatch.setattr(Stack, "make_ready", lambda self: None)
    monkeypatch.setattr(prepare, "stack", lambda *_, **__: stack)
    assert cli.main(["env"]) == 0
    exports = capsys.readouterr().out
    shown = subprocess.run(["sh", "-c", f'{exports}\nprintf %s "$ODD"'], capture_output=True, text=True, check=True)
    assert shown.stdout == odd
    assert shlex.split(exports)[-1] == "PULUMI_STACK=dev"


def test_durations_and_tables_are_easy_to_read():
    assert [duration(value) for value in (0.24, 42.4, 245)] == ["0.2 s", "42 s", "4 min 5 s"]
    assert table([("PART", "STATE"), ("mlflow", "running")]) == "PART    STATE\nmlflow  running"
