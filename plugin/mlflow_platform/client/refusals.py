"""What MinIO refuses: what another token or new credentials help against, and a sentence for everything else."""

import re
from functools import partial
from typing import Any

from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError

from mlflow_platform.client import clock, errors, handshake
from mlflow_platform.client.addresses import normalized, origin
from mlflow_platform.client.discovery import Platform

_ERROR_CODE = re.compile(r"\w{1,64}", re.ASCII)
# What S3 says of credentials that it does not know (any more): after their end, or after root's keys were changed.
_GONE = ("ExpiredToken", "InvalidAccessKeyId", "InvalidTokenId")
MOST_SKEW = 900.0  # seconds; S3's own, which nobody can set


class Renewed(RefreshableCredentials):
    """Credentials that are also renewed when they are refused before their end."""

    def refused(self, access_key: str) -> None:
        """Whoever signs next renews these; nobody does if somebody has done so since."""
        if access_key == self.get_frozen_credentials().access_key:
            self._expiry_time = self._time_fetcher()


def says_expired(error: ClientError) -> bool:
    """Whether STS refused a token for its time. MinIO's builds have a code for that, or what their library says."""
    told = error.response.get("Error", {})
    return told.get("Code") == "ExpiredToken" or "token is expired" in str(told.get("Message")).lower()


def of_sts(platform: Platform, error: ClientError) -> errors.ClientError:
    """The error to raise where STS gives no credentials."""
    answer = error.response
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return errors.Unavailable(f"{platform.s3_endpoint} is not ready.")
    if says_expired(error):
        return errors.ClientError(
            f"{platform.s3_endpoint} calls a new token expired: its clock differs from Keycloak's, "
            "which whoever runs the platform must set right."
        )
    code = str(answer.get("Error", {}).get("Code"))
    shown = code if _ERROR_CODE.fullmatch(code) else "no code"  # its message may repeat what it was sent
    return errors.ClientError(
        f"{platform.s3_endpoint} gives you no credentials ({shown}); is a team of yours allowed in?"
    )


def watch(client: Any, platform: Platform, credentials: Renewed | None) -> None:
    """Has a botocore client end at once where trying again is of no use, and renew credentials that are refused."""
    events, server = client.meta.events, origin(normalized(platform.s3_endpoint))
    events.register_first("needs-retry", partial(_end_at_an_untrusted, server))
    if credentials:
        events.register("request-created", partial(_note_key, credentials))
        events.register_first("needs-retry", partial(_again, server, credentials))


def _end_at_an_untrusted(server: str, caught_exception: Exception | None = None, **_: Any) -> None:
    """Raises our sentence at once, where botocore would try for a minute to reach a server that it does not trust."""
    told = handshake.explained(caught_exception, server) if caught_exception else None
    if isinstance(told, errors.Untrusted):
        raise told from None


def _note_key(credentials: Renewed, request: Any, **_: Any) -> None:
    request.context["access_key"] = credentials.get_frozen_credentials().access_key


def _again(
    server: str, credentials: Renewed, request_dict: dict[str, Any], response: Any = None, **_: Any
) -> float | None:
    """Seconds until a request is sent again, once, after its credentials were refused; None leaves it to botocore."""
    answer = response[1] if response else {}
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    code = headers.get("x-minio-error-code") or answer.get("Error", {}).get("Code")  # the first: HEAD has no text
    ahead = clock.distance(headers.get("date")) or 0.0
    if code == "RequestTimeTooSkewed" or (code == "403" and abs(ahead) > MOST_SKEW):  # HEAD has not even that of it
        raise skewed(server, ahead)
    if code not in _GONE or "refused" in request_dict["context"]:
        return None
    request_dict["context"]["refused"] = True
    credentials.refused(request_dict["context"]["access_key"])
    return 0.0


def skewed(server: str, ahead: float) -> errors.ClientError:
    """The error where S3 is so many seconds ahead: requests sign the time, and botocore takes this machine's."""
    told = f"{abs(ahead) / 60:.0f} min {'behind' if ahead > 0 else 'ahead of'}"
    return errors.ClientError(
        f"This machine's clock is {told} that of {server}, and S3 takes no request that is more than "
        f"{MOST_SKEW / 60:.0f} min off; set the clock right."
    )
