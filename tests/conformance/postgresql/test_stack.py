"""A stack under the real CLI."""

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_postgresql as postgresql
import pytest

from ..harness import Plugin
from ..stacks import Stack


@pytest.mark.slow  # e2e takes the whole program through the same
def test_a_stack_under_the_real_cli(pulumi_stack: Callable[..., Stack], config: dict[str, Any], plugin: Plugin):
    with plugin.client.reading():
        pass

    def program() -> None:
        server = postgresql.Provider("server", **{**config, "password": pulumi.Output.secret(config["password"])})
        opts = pulumi.ResourceOptions(provider=server)
        owner = postgresql.Role("owner", login=True, password=pulumi.Output.secret("hush-hush"), opts=opts)
        database = postgresql.Database("data", owner=owner.name, opts=opts)
        postgresql.Grant(
            "public", database=database.name, role="public", object_type="database", privileges=[], opts=opts
        )

    stack = pulumi_stack(program)
    assert stack.preview()["create"] == 5
    assert stack.up()["create"] == 5
    assert stack.up() == {"same": 5}
    assert stack.refresh() == {"same": 5}
    assert stack.preview() == {"same": 5}
    assert "hush-hush" not in stack.state_file()
    assert config["password"] not in stack.state_file()
