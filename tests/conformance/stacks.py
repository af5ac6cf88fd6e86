"""Stacks under the real Pulumi CLI, with the stand-ins as its plugins and a backend of their own."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulumi import automation

import offline.providers
from offline.providers.base import StandIn

PASSPHRASE = "for-this-test-only"


def providers() -> dict[str, StandIn]:
    """Every stand-in that there is, by its package: the modules of offline.providers that have a PROVIDER."""
    modules = [
        importlib.import_module(f"offline.providers.{module.name}")
        for module in pkgutil.iter_modules(offline.providers.__path__)
    ]
    return {module.PROVIDER.package: module.PROVIDER for module in modules if hasattr(module, "PROVIDER")}


def install_plugins(home: Path, python: str, root: Path) -> None:
    """A PULUMI_HOME whose plugins are the stand-ins."""
    for package, provider in providers().items():
        script = home / "plugins" / f"resource-{package}-v{provider.version}" / f"pulumi-resource-{package}"
        script.parent.mkdir(parents=True)
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{python}" -m offline.providers.{package} "$@"\n')
        script.chmod(0o755)


class Stack:
    """One stack of one program; every method is a run of the CLI."""

    def __init__(self, program: Callable[[], Any], name: str, directory: Path, *, python: str, root: Path):
        home = directory / "home"
        if not home.exists():
            install_plugins(home, python, root)
        backend = directory / "backend"
        backend.mkdir(exist_ok=True)
        self.directory = directory
        self._stack = automation.create_or_select_stack(
            stack_name=name,
            project_name="conformance",
            program=program,
            opts=automation.LocalWorkspaceOptions(
                work_dir=str(directory),
                pulumi_home=str(home),
                env_vars={
                    "PULUMI_BACKEND_URL": f"file://{backend}",
                    "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
                },
            ),
        )

    def use(self, program: Callable[[], Any]) -> None:
        """The program as it is edited."""
        self._stack.workspace.program = program

    def up(self) -> Counter[str]:
        """Applies the program; counts what it did (create, same, update, replace, delete)."""
        result = self._stack.up(color="never")
        return _counted(result.summary.resource_changes)

    def preview(self) -> Counter[str]:
        result = self._stack.preview(color="never")
        return _counted(result.change_summary)

    def refresh(self) -> Counter[str]:
        return _counted(self._stack.refresh(color="never").summary.resource_changes)

    def destroy(self) -> None:
        self._stack.destroy(color="never")

    def outputs(self) -> dict[str, Any]:
        return {key: output.value for key, output in self._stack.outputs().items()}

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state of every resource, by its name; secrets as the state file has them."""
        deployment = self._stack.export_stack().deployment or {}
        return {resource["urn"].split("::")[-1]: resource for resource in deployment["resources"]}

    def state_file(self) -> str:
        """The state as it lies on the disk."""
        stacks = self.directory / "backend" / ".pulumi" / "stacks" / "conformance"
        return (stacks / f"{self._stack.name}.json").read_text()  # an export of the Automation API shows the secrets


def _counted(changes: Mapping[Any, int] | None) -> Counter[str]:
    return Counter({str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items()})
