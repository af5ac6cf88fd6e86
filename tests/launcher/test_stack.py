"""A stack through pulumi: made ready, repaired, explained when it fails, its file left alone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher import ports, repair, stack_file, summary
from launcher.console import Failure
from launcher.paths import Paths
from launcher.stack import Stack, errors

DEAD = 2**22 + 1  # above the highest process id there can be
PENDING = {
    "deployment": {
        "resources": [{"urn": "urn:pulumi:dev::p::t::kept"}],
        "pending_operations": [
            {
                "type": "creating",
                "resource": {
                    "urn": "urn:pulumi:dev::p::docker:index/container:Container::gateway",
                    "type": "docker:index/container:Container",
                    "inputs": {"name": "dev-gateway"},
                },
            }
        ],
    }
}


def lock(state: Path, stack: str, pid: int, host: str) -> Path:
    file = state / ".pulumi" / "locks" / "organization" / "project" / stack / "1.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"pid": pid, "hostname": host}))
    return file


def test_the_lock_of_a_process_that_is_gone_is_removed(tmp_path: Path):
    stale = lock(tmp_path, "dev", DEAD, socket.gethostname())
    repair.remove_stale_locks(tmp_path, "dev")
    assert not stale.exists()


@pytest.mark.parametrize(("stack", "host"), [("prod", socket.gethostname()), ("dev", "another-machine")])
def test_the_lock_of_another_stack_or_machine_stays(tmp_path: Path, stack: str, host: str):
    kept = lock(tmp_path, stack, DEAD, host)
    repair.remove_stale_locks(tmp_path, "dev")
    assert kept.exists()


def test_a_pid_that_another_program_has_now_is_stale(tmp_path: Path):
    stale = lock(tmp_path, "dev", os.getpid(), socket.gethostname())
    repair.remove_stale_locks(tmp_path, "dev")
    assert not stale.exists()


def test_a_pulumi_that_was_killed_and_that_nobody_asked_after_is_gone(tmp_path: Path):
    program = tmp_path / "pulumi"
    shutil.copy(sys.executable, program)
    with subprocess.Popen([program, "-Ic", "input()"], stdin=subprocess.PIPE) as killed:
        kept = lock(tmp_path, "dev", killed.pid, socket.gethostname())
        repair.remove_stale_locks(tmp_path, "dev")
        assert kept.exists()
        killed.kill()
        deadline = time.monotonic() + 10
        while runs(killed.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        repair.remove_stale_locks(tmp_path, "dev")
        assert not kept.exists()


def test_the_users_own_folder_of_states_is_put_in_order_too(
    programs, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    programs("pulumi", "echo '{}'")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/states")
    stale = lock(tmp_path / "states", "dev", DEAD, socket.gethostname())
    Stack("dev", paths.root, paths.own, {}).make_ready()
    assert not stale.exists()


def test_an_interrupted_creation_is_forgotten_with_what_it_left_in_docker(programs, tmp_path: Path):
    programs("docker", f'echo "$@" >> {tmp_path}/docker-calls')
    repaired = repair.without_pending(PENDING)
    assert repaired and repaired["deployment"] == {**PENDING["deployment"], "pending_operations": []}
    assert (tmp_path / "docker-calls").read_text() == "rm --force --volumes dev-gateway\n"


def test_a_state_without_pending_operations_is_not_touched():
    assert repair.without_pending({"deployment": {"resources": []}}) is None
    assert repair.without_pending({"deployment": None}) is None


def container(port: dict[str, object], op: str = "create") -> dict[str, object]:
    return {"op": op, "newState": {"type": "docker:index/container:Container", "inputs": {"ports": [port]}}}


def test_a_taken_port_is_named_before_anything_is_made():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        for address in ({"ip": "127.0.0.1"}, {}):
            with pytest.raises(Failure, match=f"port {port} already in use"):
                ports.check_free([container({"internal": 80, "external": port, **address})])
        ports.check_free([container({"internal": 80, "external": port}, op="same"), container({"internal": 80})])
    ports.check_free([container({"internal": 80, "external": port})])


def test_a_new_stack_is_made_and_an_interrupted_one_imported_again(programs, paths: Paths, tmp_path: Path):
    stack = Stack("dev", paths.root, paths.own, {})
    programs("docker", "exit 0")
    programs("pulumi", f'echo "$@" >> {tmp_path}/calls; test "$2" != export')
    stack.make_ready()
    assert (tmp_path / "calls").read_text() == "stack export\nstack init dev --non-interactive\n"

    export = tmp_path / "export.json"
    export.write_text(json.dumps(PENDING))
    programs("pulumi", f'if test "$2" = export; then cat {export}; else cat > {tmp_path}/imported; fi')
    stack.make_ready()
    assert json.loads((tmp_path / "imported").read_text())["deployment"]["pending_operations"] == []


def test_a_failed_update_ends_with_its_reason(programs, paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("launcher.stack.on_terminal", lambda: True)
    message = "<{%reset%}>Bind for 0.0.0.0:5000 failed: port is already allocated<{%reset%}>"
    event = json.dumps({"diagnosticEvent": {"severity": "error", "message": message}})
    programs("pulumi", f"for last; do :; done; echo '{event}' > \"$last\"; exit 255")
    with pytest.raises(Failure, match="port 5000 is already in use"):
        Stack("dev", paths.root, paths.own, {}).up()
    assert not list(paths.own.glob("events*"))


@pytest.mark.parametrize("terminal", [True, False])
def test_an_interrupted_update_ends_as_interrupted_after_pulumi_did(
    programs, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
):
    monkeypatch.setattr("launcher.stack.on_terminal", lambda: terminal)
    programs("pulumi", f"trap 'touch {tmp_path}/ended; exit 1' INT; kill -TERM $PPID; while :; do sleep 0.05; done")
    with pytest.raises(KeyboardInterrupt):
        Stack("dev", paths.root, paths.own, {}).up()
    assert (tmp_path / "ended").exists()


def test_only_errors_are_read_from_the_events_and_without_colours(tmp_path: Path):
    log = tmp_path / "events"
    events = [
        {"diagnosticEvent": {"severity": "warning", "message": "old"}},
        {"diagnosticEvent": {"severity": "error", "message": "<{%fg 1%}>error: <{%reset%}>bad\n"}},
        {"preludeEvent": {}},
    ]
    log.write_text("\n".join(map(json.dumps, events)))
    assert errors(log) == ["bad"]
    assert errors(tmp_path / "none") == []


def test_the_salt_that_pulumi_writes_is_taken_back(tmp_path: Path):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  a:port: 5000 # why\n")
    with stack_file.unchanged(file, tmp_path / "copy"):
        file.write_text("config:\n  a:port: '5000' # why\nencryptionsalt: v1:abc=\n")
    assert file.read_text() == "config:\n  a:port: 5000 # why\n"


@pytest.mark.parametrize(
    ("before", "written", "after"),
    [
        ("a: 1\n", "a: 2\nencryptionsalt: v1:x=\n", "a: 2\n"),
        ("a: 1\n", "a: {secure: y}\nencryptionsalt: v1:x=\n", "a: {secure: y}\nencryptionsalt: v1:x=\n"),
        ("a: 1\nencryptionsalt: v1:own=\n", "a: 1\nencryptionsalt: v1:new=\n", "a: 1\nencryptionsalt: v1:new=\n"),
    ],
    ids=["a change of the user's stays", "secrets need their salt", "a salt that was there is the user's"],
)
def test_what_else_changed_in_the_file_stays(tmp_path: Path, before: str, written: str, after: str):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(before)
    with stack_file.unchanged(file, tmp_path / "copy"):
        file.write_text(written)
    assert file.read_text() == after


def host(root: Path, stack: str, parent: str) -> int:
    """A process that looks like the language host of a stack, of a parent that is called so and is gone, or stays."""
    program = root / "pulumi-language-python"
    if not program.exists():
        program.write_text("#!/bin/sh\nsleep 60 & wait\n")
        program.chmod(0o755)
    script = f"{program} & echo $!; [ {parent} = pulumi ] && sleep 60; true"
    shell = root / parent
    if not shell.exists():
        shell.symlink_to("/bin/sh")
    begun = subprocess.Popen(
        [str(shell), "-c", script],
        cwd=root,
        env={**os.environ, "PULUMI_STACK": stack},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert begun.stdout
    return int(begun.stdout.readline())


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_language_hosts_of_this_stack_whose_pulumi_is_gone_are_ended(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    orphan, other, foreign = host(tmp_path, "dev", "sh"), host(tmp_path, "prod", "sh"), host(elsewhere, "dev", "sh")
    at_work = host(tmp_path, "dev", "pulumi")
    try:
        deadline = time.monotonic() + 10
        while runs(orphan) and time.monotonic() < deadline:
            repair.end_language_hosts(tmp_path, "dev")
            time.sleep(0.1)
        assert [runs(process) for process in (orphan, other, foreign, at_work)] == [False, True, True, True]
    finally:
        for process in (other, foreign, at_work):
            os.killpg(os.getpgid(process), signal.SIGKILL)


def killed(file: Path, copy: Path, written: str) -> None:
    """A run of its own that ends without a word while pulumi has written to the file."""
    program = (
        "import os; from pathlib import Path; from launcher import stack_file\n"
        f"with stack_file.unchanged(Path({str(file)!r}), Path({str(copy)!r})):\n"
        f"    Path({str(file)!r}).write_text({written!r}); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9


def test_what_a_killed_run_left_in_the_file_is_taken_back_by_the_next_one(tmp_path: Path):
    file, copy = tmp_path / "Pulumi.dev.yaml", tmp_path / "copy"
    file.write_text("config:\n  a:port: 5000 # why\n")
    killed(file, copy, "config:\n  a:port: '5000' # why\nencryptionsalt: v1:abc=\n")
    with stack_file.unchanged(file, copy):
        assert file.read_text() == "config:\n  a:port: 5000 # why\n"
        file.write_text("config:\n  a:port: '5000' # why\nencryptionsalt: v1:abc=\n")
    assert file.read_text() == "config:\n  a:port: 5000 # why\n"
    assert list(tmp_path.iterdir()) == [file]


def test_what_the_user_changed_after_a_killed_run_stays(tmp_path: Path):
    file, copy = tmp_path / "Pulumi.dev.yaml", tmp_path / "copy"
    file.write_text("a: 1\n")
    killed(file, copy, "a: 1\nencryptionsalt: v1:abc=\n")
    file.write_text("a: 2\nb: 3\nencryptionsalt: v1:abc=\n")
    with stack_file.unchanged(file, copy):
        pass
    assert file.read_text() == "a: 2\nb: 3\n"


def test_a_file_with_nothing_but_the_salt_is_removed(tmp_path: Path):
    file = tmp_path / "Pulumi.new.yaml"
    with stack_file.unchanged(file, tmp_path / "copy"):
        file.write_text("encryptionsalt: v1:x=\n")
    assert not file.exists()


def test_the_summary_names_every_address_and_user_and_no_secret():
    outputs = {
        "mlflow_tracking_uri": "http://localhost:5000",
        "oidc_issuer_url": "http://k/realms/mlflow",
        "keycloak_admin_url": "http://administration",
        "dev_users": {"dev": "hunter2", "ada": "hunter3"},
        "minio_root": {"user": "root", "password": "hunter4"},
    }
    text = summary.of("prod", outputs)
    assert "http://localhost:5000" in text and "ada, dev" in text and "hunter" not in text
    assert "http://k/realms/mlflow/account\n" in text
    assert "Keycloak admin http://administration" in text
    assert "./platform outputs --stack prod --show-secrets" in text
