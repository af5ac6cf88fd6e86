"""The client's tests once more, with what it has for Windows; and nothing else of it is of other systems alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_platform.client import windows

from tests.conftest import ROOT

CLIENT = ROOT / "plugin/mlflow_platform/client"

# Run by every Python as it starts, those included that the tests start.
AS_THERE = """
from mlflow_platform.client import posix, system, windows

system.here = windows
for name in ("opened", "openness", "replace", "joined", "split", "after_fork"):
    delattr(posix, name)
"""


@pytest.mark.slow
def test_the_client_works_with_what_it_has_for_windows(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(AS_THERE)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'plugin'}"}
    tests = ["tests/client", "-m", "not posix and not slow", "--ignore", "tests/client/test_install.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


def test_one_module_alone_takes_what_windows_or_the_oldest_python_has_not():
    program = Path(sys.executable).parent / "basedpyright"
    there = ["--pythonplatform", "Windows", "--pythonversion", "3.10", "--pythonpath", sys.executable]
    done = subprocess.run([program, *there, "--outputjson", CLIENT], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    assert {Path(each["file"]).name for each in found} == {"posix.py"}, done.stdout


def test_a_file_outside_of_the_users_profile_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    found = tmp_path.stat()
    assert windows.openness(tmp_path / "me/AppData/Local/x", found) is None
    assert "outside of" in str(windows.openness(tmp_path / "you/AppData/Local/x", found))


def test_a_file_that_somebody_reads_is_replaced_when_he_has_done_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (new := tmp_path / "new").write_text("new")
    readers = [PermissionError(13, "in use")] * 3
    replace = Path.replace

    def as_there(path: Path, target: Path) -> Path:
        if readers:
            raise readers.pop()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", as_there)
    windows.replace(new, tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    readers += [PermissionError(13, "denied")] * 1000
    (tmp_path / "new").write_text("newer")
    with pytest.raises(PermissionError, match="denied"):
        windows.replace(new, tmp_path / "old")


@pytest.mark.parametrize("folder", ["C:\\Program Files\\Python\\Scripts", "C:\\py"])
def test_awss_tools_start_the_program_that_a_profile_names(folder: str):
    command = [f"{folder}\\mlflow-platform.exe", "credentials", "--tracking-uri", "https://mlflow.example.com"]
    assert windows.split(windows.joined(command)) == command
