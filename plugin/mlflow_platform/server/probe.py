"""Whether this container reaches what MLflow needs: `python -m mlflow_platform.server.probe`, for whoever made it.

It asks as MLflow does, with its own credentials, and prints one JSON object: what was asked -> null, or what is wrong.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mlflow_platform.server.settings import (
    AUTH_DATABASE_VARIABLE,
    KEYCLOAK_EVENTS_VARIABLE,
    SECRETS,
    SettingsError,
    load_secrets,
    load_settings,
    secret,
)

TIMEOUT = 4  # seconds
_BACKEND_VARIABLE = "MLFLOW_BACKEND_STORE_URI"
# Everything is inside the network: no proxy of the environment stands between.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def database(uri: str, table: str) -> None:
    """Reads from a table."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    with psycopg.connect(uri.replace("+psycopg", "", 1), connect_timeout=TIMEOUT) as connection:
        connection.execute(SQL("SELECT 1 FROM {} LIMIT 1").format(Identifier(table)))


def bucket(name: str, endpoint: str, region: str) -> None:
    """Lists it, one key at most, signed by botocore itself, whose client would take longer to load than to ask."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{endpoint}/{name}?list-type=2&max-keys=1"
    request = AWSRequest("GET", url)
    S3SigV4Auth(Credentials(secret("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY")), "s3", region).add_auth(
        request
    )
    _get(url, dict(request.headers))


def signing_keys(realm: str) -> None:
    """The realm's, by the way that the server fetches them."""
    if not json.loads(_get(f"{realm}/protocol/openid-connect/certs")).get("keys"):
        raise ValueError("the realm has no keys")


def _get(url: str, headers: dict[str, str] | None = None) -> bytes:
    with _direct.open(urllib.request.Request(url, headers=headers or {}), timeout=TIMEOUT) as response:
        return response.read()


def ask(questions: dict[str, Callable[[], None]], hidden: list[str]) -> dict[str, str | None]:
    """All at once; a reason never holds what is hidden."""

    def reason(question: Callable[[], None]) -> str | None:
        try:
            question()
        except Exception as error:  # whatever it is, it is the answer
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            for value in hidden:
                said = said.replace(value, "***")
            return said
        return None

    with ThreadPoolExecutor(len(questions)) as pool:
        return dict(zip(questions, pool.map(reason, questions.values()), strict=True))


def main(secrets: Path = SECRETS) -> int:
    before = dict(os.environ)
    load_secrets(secrets)
    settings = load_settings()
    hidden = [value for name, value in os.environ.items() if before.get(name) != value]
    hidden += [uri.partition("://")[2].partition("@")[0].partition(":")[2] for uri in hidden if "://" in uri]
    found = ask(
        {
            "its database": partial(database, secret(_BACKEND_VARIABLE), "experiments"),
            "its database of users": partial(database, secret(AUTH_DATABASE_VARIABLE), "users"),
            "Keycloak's events": partial(database, secret(KEYCLOAK_EVENTS_VARIABLE), "event_entity"),
            "its bucket": partial(bucket, settings.bucket, settings.sts_endpoint, settings.s3_region),
            "Keycloak's keys": partial(signing_keys, settings.backchannel_url),
        },
        [value for value in hidden if value],
    )
    print(json.dumps(found))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SettingsError as error:
        sys.exit(f"mlflow-platform: {error}")
