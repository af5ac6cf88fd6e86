"""Which MLflow this client works beside."""

import re
from importlib.metadata import PackageNotFoundError, version

_OLDEST = (2, 16)
_PACKAGES = ("mlflow", "mlflow-skinny")  # the first requires the second in the same version, and not always has


def unsuited() -> str | None:
    """A sentence about the MLflow that is installed here, where it is too old; None for any other, or none at all."""
    for package in _PACKAGES:
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        found = re.match(r"(\d+)\.(\d+)", installed)
        if found and (int(found[1]), int(found[2])) < _OLDEST:
            oldest = ".".join(map(str, _OLDEST))
            return f"MLflow {installed} is installed here, and this client works with {oldest} and newer: upgrade it."
        return None
    return None
