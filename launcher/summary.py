"""What is printed after `up`: where everything is, who may log in, and what to type next."""

from collections.abc import Mapping, Sequence
from typing import Any

_ADDRESSES = (
    ("MLflow", "mlflow_tracking_uri", ""),
    ("Your account", "oidc_issuer_url", "/account"),
    ("S3 (MinIO)", "s3_endpoint_url", ""),
    ("MinIO console", "minio_console_url", ""),
    ("Keycloak admin", "keycloak_admin_url", ""),
)


def of(stack: str, outputs: Mapping[str, Any], unknown_names: Sequence[str] = ()) -> str:
    """The text; of the outputs' secrets it shows the users' names alone.

    Unknown names are those that lead to this machine, but that only browsers find (RFC 6761, section 6.3).
    """
    option = "" if stack == "dev" else f" --stack {stack}"
    lines = [f"  {title:<15}{outputs[name]}{path}" for title, name, path in _ADDRESSES if name in outputs]
    if users := outputs.get("dev_users"):
        lines.append(f"  {'Users':<15}{', '.join(sorted(users))}")
        lines.append(f"  {'Passwords':<15}./platform outputs{option} --show-secrets")
    if "backup_key" in outputs:
        lines.append(
            f"  {'Backup key':<15}./platform outputs{option} backup_key --show-secrets; keep it somewhere else"
        )
    if "backup_public_key" in outputs:
        lines.append(f"  {'':<15}./platform outputs{option} backup_public_key is for the place's authorized_keys")
    lines.append(f"  {'Health':<15}./platform status{option}")
    if uri := outputs.get("mlflow_tracking_uri"):
        lines.append(f"  {'Next':<15}export MLFLOW_TRACKING_URI={uri}")
        lines.append(f"  {'':<15}pip install ./plugin && mlflow-platform login")
        if "ca_certificate" in outputs:
            lines[-1] += f" --ca-file {stack}-ca.pem"
            lines.insert(-1, f"  {'':<15}./platform outputs{option} ca_certificate > {stack}-ca.pem")
    if unknown_names:
        lines.append(f"  {'Names':<15}browsers find them; for other programs put this line into /etc/hosts:")
        lines.append(f"  {'':<15}127.0.0.1 {' '.join(unknown_names)}")
    return "\n".join(["", *lines])
