"""What the tests of the docker stand-in have in common: its types, and containers that run for a while."""

from typing import Any

NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
IMAGE = "docker:index/image:Image"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
CONTAINER = "docker:index/container:Container"
BASE = "mlflow-platform/base:trixie"

HEALTHY = {"tests": ["CMD", "true"], "interval": "1s", "retries": 2}


def container(prefix: str, **inputs: Any) -> dict[str, Any]:
    base = {
        "name": f"{prefix}-c",
        "image": BASE,
        "command": ["sleep", "600"],
        "stopSignal": "SIGKILL",
        "mustRun": False,
    }
    return {**base, **inputs}


def started(prefix: str, **inputs: Any) -> dict[str, Any]:
    """A container that is waited for."""
    return container(prefix, healthcheck=HEALTHY, wait=True, mustRun=True, **inputs)
