"""The platform's own endpoints beside MLflow's."""

from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from mlflow_platform.server import audit
from mlflow_platform.server.credentials.sts import Sts, StsRefused, StsTokenRefused, StsUnavailable
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.responses import forbidden, unauthenticated, unavailable
from mlflow_platform.server.settings import Settings

DISCOVERY = "/.well-known/mlflow-platform"
SESSION = "/api/2.0/mlflow-platform/session"

NO_POLICY = "None of your teams has access to the object store, so there are no credentials for you."


def discovery(settings: Settings) -> Response:
    """All that a client has to know besides the tracking URI; public, so nothing in it is secret."""
    return JSONResponse(
        {
            "issuer": settings.issuer,
            "client_id": settings.client_id,
            "s3_endpoint": settings.s3_endpoint,
            "s3_region": settings.s3_region,
            "bucket": settings.bucket,
            "s3_credentials_seconds": settings.storage_credentials_seconds,  # null: as long as the token that buys them
        }
    )


def is_session(scope: Scope) -> bool:
    return scope["path"] == SESSION and scope["method"] == "POST"


async def session(settings: Settings, sts: Sts, scope: Scope, token: str, identity: Identity) -> Response:
    """MinIO session credentials for the caller, obtained with the caller's own token."""
    if not identity.has_policy:
        return forbidden(NO_POLICY)
    try:
        credentials = await sts.credentials(token, identity)
    except StsRefused:
        return forbidden(NO_POLICY)
    except StsTokenRefused:
        return unauthenticated("the object store does not take the token (any more)")
    except StsUnavailable:
        return unavailable("The object store (MinIO) does not answer; try again in a moment.")
    audit.record(
        "credentials",
        scope,
        user=identity.username,
        client=identity.client,
        access_key=credentials.access_key,  # not a secret: the name by which MinIO's own log knows them
        expiration=credentials.expiration,
    )
    return JSONResponse(
        {
            "access_key": credentials.access_key,
            "secret_key": credentials.secret_key,
            "session_token": credentials.session_token,
            "expiration": credentials.expiration,
            "endpoint": settings.s3_endpoint,
            "bucket": settings.bucket,
            "region": settings.s3_region,
        },
        headers={"Cache-Control": "no-store"},
    )
