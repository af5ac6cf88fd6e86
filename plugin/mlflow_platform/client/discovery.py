"""Where everything is: what the tracking server says about the platform, and Keycloak about itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from mlflow_platform.client import web
from mlflow_platform.client.addresses import InvalidUrl, check_transport, normalized, origin
from mlflow_platform.client.certificates import Trust, trusted
from mlflow_platform.client.errors import ClientError, Redirected, Untrusted

_CLIENT_ID = re.compile(r"[\w.:@/-]{1,255}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
_PUBLISHED = "/.well-known/mlflow-platform"
_SECONDS = range(900, 43201)  # what STS takes


@dataclass(frozen=True)
class Platform:
    """What a tracking server publishes. All of it is checked: it ends up in requests, shells and AWS's config file."""

    tracking_uri: str
    issuer: str
    client_id: str
    s3_endpoint: str
    s3_region: str
    bucket: str
    s3_credentials_seconds: int | None
    trust: Trust = True  # for each of its servers, which one authority may have signed


@dataclass(frozen=True)
class Keycloak:
    """The endpoints of a platform's issuer."""

    issuer: str
    authorization: str
    device: str
    token: str
    revocation: str
    trust: Trust = True


def platform(tracking_uri: str, trust: Trust | None = None) -> Platform:
    """What the tracking server publishes; by default it is trusted as what is kept and set for it says."""
    trust = trusted(tracking_uri) if trust is None else trust
    try:
        document = web.get(f"{tracking_uri}{_PUBLISHED}", trust)
    except Redirected as elsewhere:
        if not elsewhere.location.endswith(_PUBLISHED):
            raise
        raise moved(tracking_uri, elsewhere.location.removesuffix(_PUBLISHED)) from None
    return replace(parse_platform(tracking_uri, document), trust=trust)


def keycloak(platform: Platform) -> Keycloak:
    document = web.get(f"{platform.issuer}/.well-known/openid-configuration", platform.trust)
    return replace(parse_keycloak(platform, document), trust=platform.trust)


def moved(tracking_uri: str, target: str) -> Redirected:
    """The error for a tracking server that redirects to another address: nothing of the login is sent there."""
    told = f"This platform is at {target}, and not at {tracking_uri}:"
    return Redirected(f"{told} set MLFLOW_TRACKING_URI={target} and run `mlflow-platform login`.", target)


@lru_cache
def check_server(tracking_uri: str) -> None:
    """Raises Untrusted or Redirected where a token is not to be sent; the tracking server is asked once per process.

    MLflow itself repeats for minutes what fails by a certificate, and then shows what four libraries say about it; and
    a platform that has moved from http to https would get one more token in the clear.
    """
    try:
        platform(tracking_uri)
    except (Untrusted, Redirected):
        raise
    except ClientError:
        pass  # MLflow will see it for itself, and may wait for the server


def parse_platform(tracking_uri: str, document: Mapping[str, Any]) -> Platform:
    """Raises ClientError unless everything is there and may be used."""
    seconds = document.get("s3_credentials_seconds")
    if seconds is not None and (type(seconds) is not int or seconds not in _SECONDS):
        raise ClientError(f"{tracking_uri} publishes an unusable s3_credentials_seconds.")
    return Platform(
        tracking_uri=tracking_uri,
        issuer=_url(document, "issuer", tracking_uri),
        client_id=_text(document, "client_id", _CLIENT_ID, tracking_uri),
        s3_endpoint=_url(document, "s3_endpoint", tracking_uri),
        s3_region=_text(document, "s3_region", _REGION, tracking_uri),
        bucket=_text(document, "bucket", _BUCKET, tracking_uri),
        s3_credentials_seconds=seconds,
    )


def parse_keycloak(platform: Platform, document: Mapping[str, Any]) -> Keycloak:
    """Raises ClientError unless the issuer is the platform's own, and every endpoint is on the issuer's origin."""
    if document.get("issuer") != platform.issuer:
        raise ClientError(f"{platform.issuer} says that it is another issuer, so it is not trusted.")

    def endpoint(name: str) -> str:
        url = _url(document, name, platform.tracking_uri)
        if origin(normalized(url)) != origin(normalized(platform.issuer)):
            raise ClientError(f"{platform.issuer} has its {name} on another server, so it is not trusted.")
        return url

    return Keycloak(
        issuer=platform.issuer,
        authorization=endpoint("authorization_endpoint"),
        device=endpoint("device_authorization_endpoint"),
        token=endpoint("token_endpoint"),
        revocation=endpoint("revocation_endpoint"),
    )


def _url(document: Mapping[str, Any], name: str, tracking_uri: str) -> str:
    """The URL as it is spelled there: an issuer is compared letter by letter."""
    value = document.get(name)
    try:
        check_transport(normalized(value if isinstance(value, str) else ""), tracking_uri)
    except InvalidUrl:
        raise ClientError(f"{tracking_uri} publishes an unusable {name}.") from None
    return str(value)


def _text(document: Mapping[str, Any], name: str, pattern: re.Pattern[str], tracking_uri: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ClientError(f"{tracking_uri} publishes an unusable {name}.")
    return value
