"""The code's form and types, as the tools see them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["basedpyright", "--pythonpath", sys.executable]],
    ids=["ruff check", "ruff format", "basedpyright"],
)
def test_the_code_is_clean(command: list[str]):
    program = Path(sys.executable).parent / command[0]
    finished = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
