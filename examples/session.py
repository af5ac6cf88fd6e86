"""Credentials for the object store: artifacts go straight there, under your own name."""

import os
import sys

import requests


def use_own_credentials() -> None:
    """Fetches MinIO session credentials with your token and puts them where MLflow looks: into the environment.

    They last about as long as the token; a longer job calls this again with a fresh one.
    """
    answer = requests.post(
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow-platform/session",
        headers={"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"},
        timeout=30,
    )
    if not answer.ok:
        sys.exit(f"No credentials for the object store: {answer.json()['message']}")
    session = answer.json()
    os.environ["MLFLOW_S3_ENDPOINT_URL"] = session["endpoint"]
    os.environ["AWS_DEFAULT_REGION"] = session["region"]
    os.environ["AWS_ACCESS_KEY_ID"] = session["access_key"]
    os.environ["AWS_SECRET_ACCESS_KEY"] = session["secret_key"]
    os.environ["AWS_SESSION_TOKEN"] = session["session_token"]
