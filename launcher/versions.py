"""Which versions the services with data are of, and which the program names: an upgrade is where the two differ."""

import ast
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from launcher.console import Failure
from launcher.paths import Paths
from launcher.state import State

TITLES = {"postgres": "PostgreSQL", "keycloak": "Keycloak", "mlflow": "MLflow", "minio": "MinIO"}
_BUILT, _PULLED = "docker:index/image:Image", "docker:index/remoteImage:RemoteImage"


@dataclass(frozen=True)
class Change:
    """Of one service, by its name in the program."""

    service: str
    old: str
    new: str

    @property
    def is_older(self) -> bool:
        """Whether what the newer one wrote would be read by an older one."""
        old, new = ([int(number) for number in re.findall(r"\d+", version)] for version in (self.old, self.new))
        return new < old

    def __str__(self) -> str:
        return f"{TITLES[self.service]} {self.old} to {self.new}"


@dataclass(frozen=True)
class Journal:
    """How far an upgrade has come: kept beside the state, which has the new images long before anything serves them."""

    versions: Mapping[str, str]
    """By service: those that the data are of."""
    server_stands_by: bool = False
    """The writers are stopped, and the next database server has all data: it may take over from the one on `volume`."""
    volume: str | None = None
    """The one that the databases were on before."""
    filled: str | None = None
    """The volume that is being filled for it, and that is worth nothing until then."""
    dumps: Mapping[str, str] = field(default_factory=dict)
    """By service: the versions whose databases were dumped when its writers had stopped, as a way back."""
    going_back: Collection[str] = ()
    """Services whose databases are being loaded from those dumps, and are worth nothing until then."""

    @staticmethod
    def file(paths: Paths, stack: str) -> Path:
        return paths.own / f"upgrade-{stack}.json"

    @classmethod
    def read(cls, file: Path) -> "Journal | None":
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def write(self, file: Path) -> None:
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.replace(file)


def of_state(state: State) -> dict[str, str]:
    """By service, of those that the state has."""
    found = {urn.rpartition("::")[2]: image.rpartition(":")[2] for urn, _, image in _images(state)}
    return {service: found[service] for service in TITLES if service in found}


def wanted(root: Path, state: State) -> dict[str, str]:
    """By service: what the program would make of what the state has, a registry's image or one that is built."""
    pins = _pins(root)
    pulled = {urn.rpartition("::")[2] for urn, type, _ in _images(state) if type == _PULLED}
    return {
        service: upstream.rpartition(":")[2] if upstream and service in pulled else tag
        for service, (upstream, _, tag) in pins.items()
        if service in TITLES
    }


def changes(of: Mapping[str, str], to: Mapping[str, str]) -> list[Change]:
    """Not what is new, and not what is only built anew."""
    return [Change(name, of[name], to[name]) for name in TITLES if name in of and name in to and of[name] != to[name]]


def _images(state: State) -> list[tuple[str, str, str]]:
    """URN, type and full name."""
    return [
        (resource["urn"], resource["type"], resource["inputs"]["imageName" if resource["type"] == _BUILT else "name"])
        for resource in state.resources
        if resource["type"] in (_BUILT, _PULLED)
    ]


def _pins(root: Path) -> dict[str, tuple[str | None, str, str]]:
    """The program's list, read and not run: that costs a millisecond, and its packages a second at every `up`."""
    file = root / "components" / "images.py"
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "PINS":
            assert isinstance(node.value, ast.Dict)
            return {
                ast.literal_eval(name): tuple(ast.literal_eval(argument) for argument in pin.args)
                for name, pin in zip(node.value.keys, node.value.values, strict=True)
                if name and isinstance(pin, ast.Call)
            }
    raise Failure(f"{file} has no PINS that say which versions there are to be.")
