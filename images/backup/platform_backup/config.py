"""What the container is told: two uploaded files, the second with everything secret. Restores get both on stdin."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SETTINGS = Path("/etc/mlflow-platform/backup.json")
_SECRETS = Path("/run/secrets/backup.json")
SPOOL = Path("/var/lib/backup")
"""What is on its way to the place, on a volume: Barman's home, the index of objects, and the state bundle."""
RUN = Path("/run/backup")
"""In memory: configurations with secrets, the socket, what is said of the state of things."""


@dataclass(frozen=True)
class Config:
    """`place` is its kind with what rclone needs for it; `secrets` has all passwords and keys."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, Any]

    @property
    def place(self) -> Mapping[str, Any]:
        return self.settings["place"]

    @property
    def key(self) -> str:
        return self.secrets["key"]


def uploaded() -> Config:
    return Config(json.loads(_SETTINGS.read_text()), json.loads(_SECRETS.read_text()))


def given(text: str) -> Config:
    """From one JSON object with `settings` and `secrets`."""
    return Config(**json.loads(text))
