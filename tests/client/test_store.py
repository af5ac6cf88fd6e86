"""A login on the disk is its owner's alone, and what others could have written is never trusted."""

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.store import LoginFile, _parse

from tests.client.double import Double

SERVER = "https://mlflow.example.com"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.posix
def test_only_the_owner_may_read_it(logged_in: LoginFile):
    os.umask(os.umask(0))
    assert mode(logged_in.path) == 0o600
    assert mode(logged_in.path.parent) == 0o700
    assert [mode(file) for file in logged_in.path.parent.iterdir()] == [0o600, 0o600]  # it and its lock


def test_a_servers_login_has_a_file_of_its_own(home: Path):
    names = {LoginFile(url).path.name for url in ("https://a.example", "https://a.example/x", "http://a.example")}
    assert len(names) == 3


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def _link_folder(file: Path) -> None:
    folder = file.parent
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def _rewrite(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(lambda file: file.chmod(0o640), "open to others", marks=pytest.mark.posix),
        pytest.param(lambda file: file.parent.chmod(0o750), "open to others", marks=pytest.mark.posix),
        (_link, "symbolic links|link"),
        (_link_folder, "link"),
        pytest.param(lambda file: os.chown(file, 12345, -1), "another user", marks=pytest.mark.posix),
        pytest.param(lambda file: os.chown(file.parent, 12345, -1), "another user", marks=pytest.mark.posix),
        pytest.param(lambda file: (file.unlink(), os.mkfifo(file, 0o600)), "no regular file", marks=pytest.mark.posix),
        (lambda file: (file.unlink(), file.mkdir(0o700)), "no regular file"),
        (lambda file: file.write_text(file.read_text()[:-20]), "damaged"),
        (lambda file: file.write_text("[]"), "damaged"),
        (lambda file: file.write_bytes(b"\xff" * 100), "damaged"),
        (lambda file: _rewrite(file, version=2), "damaged"),
        (lambda file: _rewrite(file, tracking_uri="https://another.example"), "another server"),
        (lambda file: _rewrite(file, token_endpoint="https://another.example/token"), "damaged"),
        (lambda file: _rewrite(file, unknown=1), "damaged"),
    ],
    ids=range(15),
)
def test_a_file_that_cannot_be_trusted_is_a_clear_error(
    logged_in: LoginFile, spoil: Callable[[Path], object], reason: str
):
    if reason == "another user" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    login = logged_in.load()
    assert login
    spoil(logged_in.path)
    with pytest.raises(ClientError, match=reason) as refused:
        logged_in.load()
    assert "is not used" in str(refused.value)
    assert login.tokens.access_token not in str(refused.value)


@pytest.mark.posix
def test_writing_into_a_folder_that_others_may_read_is_refused(logged_in: LoginFile):
    login = logged_in.load()
    assert login
    logged_in.path.parent.chmod(0o755)
    with pytest.raises(ClientError, match="open to others"):
        logged_in.save(login)


def test_a_reader_never_sees_half_a_file(logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch):
    login = logged_in.load()
    assert login

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        logged_in.save(login)
    assert logged_in.load() == login
    assert len(list(logged_in.path.parent.iterdir())) == 2


def test_nothing_secret_is_in_what_python_shows(platform: Double, logged_in: LoginFile):
    login = logged_in.load()
    assert login
    shown = f"{login!r} {login.tokens!r} {logged_in!r}"
    assert not [secret for secret in platform.handed_out if secret in shown]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["version", "tracking_uri", "issuer", "tokens", "client_id"]), _JSON))
def test_any_other_content_is_refused_by_an_error_that_is_expected(document: dict[str, object]):
    with pytest.raises((ValueError, TypeError, KeyError, ClientError)):
        _parse(document)


def test_a_state_directory_that_cannot_be_used_holds_no_login(home: Path, monkeypatch: pytest.MonkeyPatch):
    (home / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "file"))
    assert LoginFile(SERVER).load() is None
    monkeypatch.setattr(Path, "lstat", forbidden)
    assert LoginFile(SERVER).load() is None


def forbidden(path: Path) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_an_open_directory_without_a_login_is_nobodys_concern(home: Path):
    LoginFile(SERVER).path.parent.mkdir(mode=0o755, parents=True)
    assert LoginFile(SERVER).load() is None
