"""Where things are kept: the slow and shared in the user's cache, the secret and own in the checkout."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    root: Path
    cache: Path

    @classmethod
    def of_this_checkout(cls) -> "Paths":
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(root=Path(__file__).resolve().parent.parent, cache=cache / "mlflow-platform")

    @property
    def own(self) -> Path:
        """What is secret or belongs to this checkout alone."""
        return self.root / ".platform"

    @property
    def logs(self) -> Path:
        return self.own / "logs"

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return self.venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
