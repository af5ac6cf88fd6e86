"""The platform's own endpoints beside MLflow's."""

from starlette.responses import JSONResponse, Response

from mlflow_platform.server.identity import Identity
from mlflow_platform.server.responses import forbidden, unauthenticated, unavailable
from mlflow_platform.server.settings import Settings
from mlflow_platform.server.sts import Sts, StsRefused, StsTokenRefused, StsUnavailable

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


async def session(settings: Settings, sts: Sts, token: str, identity: Identity) -> Response:
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
        return unavailable("The object store does not answer; try again in a moment.")
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
