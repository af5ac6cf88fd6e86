"""What is printed after `up`: where everything is, who may log in, and what to type next."""

from collections.abc import Mapping
from typing import Any

_ADDRESSES = {
    "MLflow": "mlflow_tracking_uri",
    "Keycloak": "keycloak_url",
    "S3 (MinIO)": "s3_endpoint_url",
    "MinIO console": "minio_console_url",
}


def of(stack: str, outputs: Mapping[str, Any]) -> str:
    """The text; no secret is in it."""
    option = "" if stack == "dev" else f" --stack {stack}"
    lines = [f"  {title:<15}{outputs[name]}" for title, name in _ADDRESSES.items() if name in outputs]
    if "dev_users" in outputs:
        lines.append(f"  {'Users':<15}./platform outputs{option} --show-secrets   (dev_users: name and password)")
    lines.append(f"  {'Health':<15}./platform status{option}")
    return "\n".join(["", *lines])
