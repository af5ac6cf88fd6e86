"""What policies allow, by the library that MinIO itself asks: of the version that its image is built with."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from launcher.paths import Paths
from launcher.toolchain import go
from tests.conftest import ROOT

_MODULE = ROOT / "images/minio"


@dataclass(frozen=True)
class Question:
    """About a document, or a canned policy by its name; without a key about the bucket itself."""

    policy: str
    bucket: str
    key: str = ""
    conditions: dict[str, list[str]] = field(default_factory=dict)


def allowed(questions: Sequence[Question], folder: Path) -> list[set[str]]:
    """To each question the actions that are allowed, of all that the library knows. It is built in the folder."""
    program = folder / "evaluate"
    build = ["build", "-mod=readonly", "-o", program, Path(__file__).with_name("evaluate.go")]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOWORK": "off"}
    done = subprocess.run(
        [go(Paths.of_this_checkout()), *build], cwd=_MODULE, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    asked = json.dumps([asdict(question) for question in questions])
    answered = subprocess.run([program], input=asked, capture_output=True, text=True)
    assert answered.returncode == 0, answered.stderr
    return [set(actions or ()) for actions in json.loads(answered.stdout)]  # Go says null for none
