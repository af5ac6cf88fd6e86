"""The stack as Pulumi sees it: what is up stays as it is, what is not is only planned."""

import socket
import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import Platform
from tests.e2e.stack import Stack, UpdateFailed

pytestmark = pytest.mark.e2e


def test_a_second_up_a_refresh_and_a_preview_change_nothing(platform: Platform):
    for run in (platform.stack.up, platform.stack.refresh, platform.stack.preview):
        assert set(run()) == {"same"}, run.__name__


def test_the_preview_of_a_stack_that_is_not_up_plans_everything_and_contacts_none_of_its_servers(
    has_pulumi: None, tmp_path: Path
):
    stack = Stack(tmp_path)
    servers = [Listener(port) for port in stack.ports.values()]
    try:
        planned = stack.preview()
    finally:
        for server in servers:
            server.close()
    assert set(planned) == {"create"}
    assert planned["create"] > 70
    assert [server.port for server in servers if server.was_contacted] == []


def test_a_wrong_setting_fails_with_the_key_the_value_and_what_is_allowed(has_pulumi: None, tmp_path: Path):
    stack = Stack(tmp_path, {"storage": {"nodes": 3}})
    with pytest.raises(UpdateFailed, match=r"storage\.nodes: .*1, 4 or 8.* 3") as failure:
        stack.up()
    assert stack.passphrase not in str(failure.value)


class Listener:
    """A port of loopback that accepts, says nothing, and remembers whether anybody came."""

    def __init__(self, port: int):
        self.port = port
        self.was_contacted = False
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return
            self.was_contacted = True

    def close(self) -> None:
        self._socket.close()
