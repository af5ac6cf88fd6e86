"""Fixtures of the conformance tests: names of their own, and stacks that the real CLI brings up with the stand-ins."""

import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .stacks import Stack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def prefix() -> str:
    """What every name on a shared server begins with in this run."""
    return f"conf-{secrets.token_hex(3)}"


@pytest.fixture
def pulumi_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stack]]:
    """Makes stacks under the real CLI: `pulumi_stack(program)`; each is destroyed after the test."""
    if not shutil.which("pulumi"):
        pytest.fail("there is no pulumi on PATH: run these tests with ./platform test, which makes one")
    stacks: list[Stack] = []

    def make(program: Callable[[], Any], name: str = "dev") -> Stack:
        stacks.append(Stack(program, name, tmp_path, python=sys.executable, root=ROOT))
        return stacks[-1]

    yield make
    for stack in stacks:
        stack.destroy()
