"""Failures of other programs, told in one sentence."""

import sys

import pytest

from launcher.console import Failure
from launcher.explain import cause
from launcher.paths import Paths
from launcher.processes import answer, run_logged


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("tar: ./usr: Cannot write: No space left on device", "the disk is full"),
        ("Bind for 0.0.0.0:5000 failed: port is already allocated", "port 5000 is already in use"),
        ("listen tcp4 127.0.0.1:8080: bind: address already in use", "port 8080 is already in use"),
        ("W: Temporary failure resolving 'mirror.example'", "does not answer"),
        ("dial tcp: lookup modules.example: no such host", "does not answer"),
        ("E: Failed getting release file http://mirror.example/debian/dists/trixie/Release", "does not answer"),
        ("Failed to establish a new connection: [Errno 111] Connection refused", "does not answer"),
        ("x509: certificate signed by unknown authority", "update-ca-certificates"),
        ("go: signal: killed", "out of memory"),
        ("error: could not create secrets manager for new stack: incorrect passphrase", "`encryptionsalt`"),
    ],
)
def test_known_causes_have_a_sentence(output: str, sentence: str):
    assert sentence in (cause(f"first line\n{output}\nlast line") or "")


def test_an_unknown_cause_is_not_guessed():
    assert cause("Segmentation fault") is None


def test_a_failed_command_shows_the_end_of_its_log_and_where_that_is(paths: Paths):
    log = paths.logs / "build.log"
    with pytest.raises(Failure) as failed:
        run_logged("the build", [sys.executable, "-c", "print('line 1'); print('it broke'); exit(3)"], log)
    assert "the build failed" in str(failed.value)
    assert str(log) in str(failed.value)
    assert "it broke" in str(failed.value)


def test_a_failed_command_with_a_known_cause_says_that_instead(paths: Paths):
    with pytest.raises(Failure, match=r"the build failed: the disk is full"):
        run_logged("the build", [sys.executable, "-c", "exit('No space left on device')"], paths.logs / "build.log")


def test_a_question_to_a_missing_failing_or_slow_program_has_no_answer():
    assert answer(["no-such-program-anywhere"]) is None
    assert answer([sys.executable, "-c", "exit(1)"]) is None
    assert answer([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2) is None
    assert answer([sys.executable, "-c", "print('yes')"]) == "yes"
