"""Logs you in and prints an access token for MLflow:

export MLFLOW_TRACKING_URI=http://localhost:5000
export MLFLOW_TRACKING_TOKEN=$(python examples/login.py)
"""

import base64
import hashlib
import os
import secrets
import sys
import time
from typing import Any

import requests


def main() -> None:
    platform = _get(f"{os.environ['MLFLOW_TRACKING_URI']}/.well-known/mlflow-platform")
    keycloak = _get(f"{platform['issuer']}/.well-known/openid-configuration")
    verifier = secrets.token_urlsafe(48)  # PKCE: only who asked for the code can exchange it
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

    request = {"client_id": platform["client_id"], "scope": "openid"}
    pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
    answer = requests.post(keycloak["device_authorization_endpoint"], data={**request, **pkce}, timeout=30)
    answer.raise_for_status()
    device = answer.json()
    print(f"Open {device['verification_uri_complete']} and log in.", file=sys.stderr, flush=True)

    grant = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": device["device_code"],
        "code_verifier": verifier,
    }
    print(_wait(keycloak["token_endpoint"], {**request, **grant}, device.get("interval", 5)))


def _wait(url: str, grant: dict[str, str], interval: float) -> str:
    """Asks for the token until somebody has logged in; how often, Keycloak says (RFC 8628)."""
    while True:
        time.sleep(interval)
        answer = requests.post(url, data=grant, timeout=30).json()
        if "access_token" in answer:
            return answer["access_token"]
        if answer["error"] == "slow_down":
            interval += 5
        elif answer["error"] != "authorization_pending":
            sys.exit(f"Not logged in: {answer.get('error_description', answer['error'])}")


def _get(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main()
