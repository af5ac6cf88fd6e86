"""The raw way, for whatever has no use for the client: a token in MLFLOW_TRACKING_TOKEN, exchanged for S3 credentials.

eval "$(python examples/session.py)"
"""

import os
import shlex
import sys

import requests

answer = requests.post(
    f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow-platform/session",
    headers={"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"},
    timeout=30,
)
if not answer.ok:
    sys.exit(f"No credentials for the object store: {answer.json()['message']}")
session = answer.json()
variables = {
    "MLFLOW_S3_ENDPOINT_URL": session["endpoint"],
    "AWS_DEFAULT_REGION": session["region"],
    "AWS_ACCESS_KEY_ID": session["access_key"],
    "AWS_SECRET_ACCESS_KEY": session["secret_key"],
    "AWS_SESSION_TOKEN": session["session_token"],
}
for name, value in variables.items():
    print(f"export {name}={shlex.quote(value)}")
