"""Places, times and bundles, before a restore begins; and what status makes of what a backup says."""

import argparse
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher import backups, bundle, copies, places, restore
from launcher.bundle import Bundle
from launcher.console import Failure
from launcher.exchange import Target, Unfinished
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.places import Source
from launcher.stack import Stack
from launcher.state import PREFIX_LABEL, State
from tests.launcher.deployment import FakeDocker

NOW = 1_800_000_000.0
WELL: dict[str, Any] = {
    "since": NOW - 9000,
    "limits": {"database_seconds": 5, "artifacts_every": 300},
    "failing": {},
    "shipped_until": NOW - 4,
    "behind_bytes": 0,
    "last": {"time": NOW - 200, "counts": {"runs": 1234, "objects": 5, "bytes": 2_400_000}},
    "base": NOW - 3600,
    "stack": "20270115T070000.000Z-abc",
    "verified": NOW - 3600,
    "verified_deep": None,
}
KEPT = Bundle("dev", "abc", {"resources": []}, {"Pulumi.dev.yaml": b"config: {}\n", "certs/key.pem": b"key"})


def test_what_is_well_says_so_with_its_ages():
    rows = dict(backups._rows(WELL, NOW))
    assert rows["last backup"] == "3 min 20 s ago, 1,234 runs, 5 artifacts of 2.4 MB"
    assert rows["log shipped"] == "4.0 s ago"
    assert list(backups._wrong(WELL, NOW)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"failing": {"backup": {"since": NOW - 60, "why": "/place: it is full"}}},
            "backup fails since 1 min 0 s ago: /",
        ),
        ({"shipped_until": NOW - 200}, "the log was shipped whole 3 min 20 s ago"),
        ({"shipped_until": None}, "the log was shipped whole never"),
        ({"last": {**WELL["last"], "time": NOW - 1000}}, "the last backup is of 16 min 40 s ago"),
        ({"last": None}, "the last backup is of never"),
        ({"stack": ""}, "it has no state of Pulumi's yet: ./platform backup now brings it"),
        ({"base": NOW - 3 * 86400}, "the last base backup is of"),
        ({"verified": NOW - 3 * 86400}, "the last verification was"),
    ],
)
def test_what_is_late_or_fails_is_said(changed: dict[str, Any], said: str):
    (sentence,) = backups._wrong({**WELL, **changed}, NOW)
    assert sentence.startswith(said)


def test_a_stack_without_a_backup_is_told_how_to_get_one(paths: Paths):
    assert backups.report(State({})) is None
    with pytest.raises(Failure, match=r"backup.to in Pulumi.dev.yaml names a place"):
        backups.verify("dev", State({}), deep=False)


def test_a_bundle_comes_back_as_it_was_and_the_same_stack_is_the_same_archive():
    assert bundle.unpacked(bundle.packed(KEPT)) == KEPT
    assert bundle.packed(KEPT) == bundle.packed(
        Bundle(**{**KEPT.__dict__, "files": dict(reversed([*KEPT.files.items()]))})
    )


def test_files_of_a_bundle_are_their_owners_and_never_written_over_what_is_there(
    paths: Paths, capsys: pytest.CaptureFixture[str]
):
    (paths.root / "Pulumi.dev.yaml").write_text("config: {newer: true}\n")
    bundle.put_files(paths, KEPT)
    assert (paths.root / "Pulumi.dev.yaml").read_text() == "config: {newer: true}\n"
    assert "Pulumi.dev.yaml is another one than the backup's, and stays" in capsys.readouterr().err
    key = paths.root / "certs/key.pem"
    assert key.read_bytes() == b"key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_salt_of_another_passphrase_is_no_difference(paths: Paths, capsys: pytest.CaptureFixture[str]):
    (paths.root / "Pulumi.dev.yaml").write_text("config: {}\nencryptionsalt: v1:abc\n")
    bundle.put_files(paths, KEPT)
    assert "Pulumi.dev.yaml" not in capsys.readouterr().err


def test_a_bundles_file_outside_of_the_checkout_is_named_and_not_written(paths: Paths):
    outside = replace(KEPT, files={"../elsewhere.pem": b"x"})
    with pytest.raises(Failure, match=r"names ../elsewhere.pem, which lies outside"):
        bundle.put_files(paths, outside)
    assert not (paths.root.parent / "elsewhere.pem").exists()


def test_a_folder_and_a_volume_are_mounted():
    folder = places.named("/mnt/backup", "the key", ssh_key=None, host_keys=())
    assert (folder.settings["place"]["kind"], folder.mounts) == ("folder", ("/mnt/backup:/place",))
    assert places.named("volume:mlflow-dev-backup-place", "k", ssh_key=None, host_keys=()).mounts == (
        "mlflow-dev-backup-place:/place",
    )


def test_where_an_unfinished_restore_comes_from_is_kept_for_its_owner_until_it_is_through(paths: Paths):
    source = places.named("/mnt/backup", "the key", ssh_key=None, host_keys=())
    unfinished = Unfinished.of(paths, "dev")
    assert Source.kept(unfinished.source) is None
    source.keep(unfinished.source)
    assert Source.kept(unfinished.source) == source
    assert stat.S_IMODE(unfinished.source.stat().st_mode) == 0o600
    unfinished.begun.touch()
    unfinished.forget()
    assert list(paths.own.iterdir()) == []


def test_a_prefix_that_another_stack_has_is_none_to_restore_to(paths: Paths, daemon: FakeDocker):
    daemon.shown([Thing("volume", "one-postgres", "one-postgres", "dev", "one")])
    label = {"label": PREFIX_LABEL, "value": "one"}

    class Look(Stack):
        def plan(self) -> list[dict[str, Any]]:
            return [{"newState": {"type": "docker:index/volume:Volume", "inputs": {"name": "x", "labels": [label]}}}]

    with pytest.raises(Failure, match="The prefix one is that of stack dev: choose another one for look"):
        Target.of(paths, Look("look", paths.root, paths.own, {}), State({}))


def test_keys_of_an_s3_address_are_in_variables_and_nowhere_in_the_open(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "who")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    source = places.named("s3:https://s3.example.org/bucket/folder", "the key", ssh_key=None, host_keys=())
    assert source.settings["place"]["path"] == "bucket/folder"
    assert "hidden" not in json.dumps(source.settings) and "the key" not in json.dumps(source.settings)
    assert source.secrets["place"] == {"access_key_id": "who", "secret_access_key": "hidden"}


def test_an_ssh_address_believes_the_host_keys_that_it_is_told(tmp_path: Path):
    (tmp_path / "id").write_text("line 1\nline 2\n")
    source = places.named(
        "sftp://me@there:2222/srv", "k", ssh_key=tmp_path / "id", host_keys=["ssh-ed25519 AAAA", "ssh-rsa BBBB"]
    )
    assert source.settings["place"]["known_hosts"] == "[there]:2222 ssh-ed25519 AAAA\n[there]:2222 ssh-rsa BBBB\n"
    assert source.secrets["place"] == {"key_pem": "line 1\nline 2\n"}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("ftp://there/x", "is no place: it is one of /folder, volume:NAME"),
        ("relative/folder", "is no place"),
        ("volume:../x", "is no place"),
        ("sftp://there/srv", "is no place"),
        ("sftp://me@there/srv", "needs --ssh-key FILE, and a --host-key"),
        ("s3:https://there/bucket", "needs the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_is_no_place_is_answered_with_what_is_one(place: str, said: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Failure) as refused:
        places.named(place, "the key", ssh_key=None, host_keys=())
    assert said in str(refused.value) and "the key" not in str(refused.value)


def test_a_time_is_utc_unless_it_says_otherwise():
    assert copies.moment("2026-05-01 14:03:20") == copies.moment("2026-05-01T16:03:20+02:00")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'yesterday' is no time; write it like"):
        copies.moment("yesterday")


FOUND = restore.Found({}, {"counts": {"bytes": 4_000_000_000}}, {"data_bytes": 1_000_000_000}, 2_000_000_000)


@pytest.mark.parametrize(
    ("volume", "docker", "reason"),
    [
        ("90 20000000000", "90 20000000000", None),
        ("90 10000000000", "90 10000000000", "takes 12.0 GB on Docker's disk, which has 10.0 GB"),
        ("80 3000000000", "90 20000000000", "takes 3.6 GB on volume p-postgres, which has 3.0 GB"),
        ("80 4000000000", "90 8000000000", "takes 8.4 GB on Docker's disk, which has 8.0 GB"),
    ],
)
def test_room_is_needed_on_postgresqls_volume_and_on_dockers_disk(
    programs: Callable[[str, str], Path], volume: str, docker: str, reason: str | None
):
    programs("docker", f"echo '1B-blocks Avail'; echo {volume}; echo {docker}")
    if reason is None:
        restore.enough_room(FOUND, "image", "p-postgres")
        return
    with pytest.raises(Failure, match=reason):
        restore.enough_room(FOUND, "image", "p-postgres")
