"""The object store: credentials by the user's own token from MinIO's STS, and clients that renew them by themselves."""

import os
import threading
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError

from mlflow_platform.client import clock, errors, handshake, refusals, system, web
from mlflow_platform.client.addresses import normalized, origin
from mlflow_platform.client.certificates import for_storage
from mlflow_platform.client.discovery import Platform
from mlflow_platform.client.discovery import platform as discover
from mlflow_platform.client.refusals import Renewed
from mlflow_platform.client.sessions import Session

_PATIENT = 10  # attempts, about a minute in all: MinIO may restart in mid-upload
_CONNECTIONS = 200  # at most: 20 files at once by MLflow, of each large one 10 parts by boto3
_FIELDS = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey", "token": "SessionToken"}
# What botocore raises without an answer, and it or we over one of another form.
_NO_ANSWER = (
    BotoCoreError,
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def credentials(session: Session, platform: Platform, attempts: int = _PATIENT) -> dict[str, str]:
    """Session credentials in botocore's own form; raises one of our errors, none of which repeats the token."""
    lasting = platform.s3_credentials_seconds
    request: dict[str, Any] = {"DurationSeconds": lasting} if lasting else {}
    # Credentials that end with the token are asked with a fresh one, or they would be due at once.
    token = session.access_token(fresh=not lasting)
    sts = _client("sts", platform, attempts, signature_version=UNSIGNED)
    try:
        try:
            answer = sts.assume_role_with_web_identity(**request, WebIdentityToken=token)
        except ClientError as error:
            if not refusals.says_expired(error):
                raise
            token = session.access_token(fresh=not lasting, over=token)
            answer = sts.assume_role_with_web_identity(**request, WebIdentityToken=token)
        return _given(answer["Credentials"])
    except ClientError as error:
        raise refusals.of_sts(platform, error) from None
    except _NO_ANSWER as error:
        unanswered = errors.Unavailable(f"{platform.s3_endpoint} does not answer ({type(error).__name__}).")
        raise handshake.explained(error, origin(normalized(platform.s3_endpoint))) or unanswered from None


def _given(answer: dict[str, Any]) -> dict[str, str]:
    found = {name: answer[key] for name, key in _FIELDS.items()}
    if not all(isinstance(text, str) and text for text in found.values()):
        raise ValueError
    # By this machine's clock, as botocore and whatever reads `mlflow-platform credentials` have no other.
    return {**found, "expiry_time": clock.here(answer["Expiration"].astimezone(timezone.utc)).isoformat()}


def renewing(session: Session, platform: Platform) -> Renewed:
    """Credentials that are renewed ahead of their end: by one thread in the last quarter, by all in the last eighth.

    In proportion, because botocore's own 15 minutes would mean an STS call per request where a life is shorter.
    """
    first = credentials(session, platform)
    life = (datetime.fromisoformat(first["expiry_time"]) - datetime.now(timezone.utc)).total_seconds()
    return Renewed.create_from_metadata(
        first,
        refresh_using=lambda: credentials(session, platform),
        method="mlflow-platform",
        advisory_timeout=life / 4,  # pyright: ignore[reportArgumentType]
        mandatory_timeout=life / 8,  # pyright: ignore[reportArgumentType]
    )


def client(session: Session, bucket: str) -> Any:
    """An S3 client for the platform's bucket; None where the bucket is another. One per user and process."""
    with _lock:  # else every thread of an upload would begin with an STS call
        platform = _platform(session.tracking_uri)
        return _s3(session, session.username, platform, os.getpid()) if platform.bucket == bucket else None


@lru_cache(maxsize=16)
def _s3(session: Session, username: str, platform: Platform, process: int) -> Any:
    """By user name too: whoever logs in as somebody else must not go on with the credentials of before."""
    credentials = renewing(session, platform)
    client = _client("s3", platform, _PATIENT, credentials, s3={"addressing_style": "path"})
    with suppress(ImportError):  # there is no wheel of obstore for this machine
        from mlflow_platform.client import transfer

        transfer.hasten(client, platform, credentials, _PATIENT)
    return client


@lru_cache(maxsize=16)
def _platform(tracking_uri: str) -> Platform:
    return web.patiently(lambda: discover(tracking_uri))


@lru_cache(maxsize=1)
def _loader() -> Loader:
    """Botocore's descriptions of services: read once, where each session would read them for a tenth of a second."""
    return create_loader()


_lock = threading.Lock()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


system.here.after_fork(_new_lock)


def _client(service: str, platform: Platform, attempts: int, given: Renewed | None = None, **options: Any) -> Any:
    """A client of its own session: the user's AWS_* variables, profile and configuration stay out of it."""
    nothing = (None, None, None, None)
    session = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing, "region": nothing}
    )
    session.register_component("data_loader", _loader())
    if given:
        session._credentials = given
    client = boto3.Session(botocore_session=session).client(
        service,
        endpoint_url=platform.s3_endpoint,
        region_name=platform.s3_region,
        verify=for_storage(platform.trust),
        config=Config(
            parameter_validation=service != "sts",  # STS insists on a role, of which MinIO knows nothing
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=_CONNECTIONS,
            **options,
        ),
    )
    refusals.watch(client, platform, given)
    return client
