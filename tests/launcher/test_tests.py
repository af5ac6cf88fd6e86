"""Two pytests side by side: what they say, what becomes of their codes, and of an interrupt."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher import tests

PROGRAM = "import sys; from launcher.tests import side_by_side; from pathlib import Path; import os\n"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("codes", "outcome"), [((0, 0), 0), ((1, 0), 1), ((0, 2), 2), ((5, 0), 0), ((0, 5), 0), ((5, 5), 5), ((5, 1), 1)]
)
def test_the_whole_is_well_where_both_are_and_something_was_run(tmp_path: Path, codes: tuple[int, int], outcome: int):
    shown, beside = (python(f"raise SystemExit({code})") for code in codes)
    assert tests.side_by_side(shown, beside, tmp_path / "logs" / "beside.log", dict(os.environ)) == outcome


def test_both_run_at_a_time_and_the_second_one_says_its_words_after_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    met = tmp_path / "met"
    shown = python(f"import os, time\nwhile not os.path.exists({str(met)!r}): time.sleep(0.02)\nprint('with')")
    beside = python(f"open({str(met)!r}, 'w'); print('without')")
    assert tests.side_by_side(shown, beside, tmp_path / "beside.log", dict(os.environ)) == 0
    assert capfd.readouterr().out.split() == ["with", "without"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_interrupted_waits_until_both_have_cleaned_up(tmp_path: Path, number: signal.Signals):
    def tidy(name: str) -> str:
        return f"""
import signal, time
from pathlib import Path
for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.default_int_handler)
try:
    Path({str(tmp_path)!r}, "{name}-began").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    Path({str(tmp_path)!r}, "{name}-is-tidy").touch()
    raise SystemExit(2)
"""

    log = tmp_path / "beside.log"
    commands = [python(tidy("a")), python(tidy("b"))]
    code = f"{PROGRAM}sys.exit(side_by_side(*{commands!r}, Path({str(log)!r}), dict(os.environ)))"
    running = subprocess.Popen(python(code), process_group=0)
    while not all((tmp_path / f"{name}-began").exists() for name in "ab"):
        time.sleep(0.05)
    if number == signal.SIGINT:  # as a terminal does, to all in the foreground
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    assert running.wait(30) == 2
    assert all((tmp_path / f"{name}-is-tidy").exists() for name in "ab")
