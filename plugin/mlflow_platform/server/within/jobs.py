"""MLflow's jobs, scorers and evaluations, which call models through this server's gateway for who started them."""

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Callable

import anyio.to_thread
from starlette.types import Scope

from mlflow_platform.server.identity.caller import Identity

# MLflow's own names (3.17.2), by which the server, its job runner and the jobs know one another.
TOKEN_VARIABLE = "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"  # noqa: S105
GATEWAY_VARIABLE = "MLFLOW_GATEWAY_URI"
LOOPBACK = "127.0.0.1"

_MODELS = re.compile(r"/gateway/mlflow/v1/chat/completions")  # what jobs call (mlflow 3.17.2), and nothing else


def environment(port: int) -> dict[str, str]:
    """What turns jobs on in all processes of this container; the token is new at every start and never leaves it.

    The executor engine runs all kinds of jobs from one process, where MLflow's default keeps one waiting for each
    kind, 180 MB apiece. What it cannot: detect issues with a provider's key instead of a gateway endpoint.
    """
    return {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true",
        "MLFLOW_SERVER_JOB_EXECUTION_ENGINE": "executor",
        # At a time of each kind; every one is a process of 200 MB and more, and judges with threads of its own.
        "MLFLOW_SERVER_JUDGE_INVOKE_MAX_WORKERS": "1",
        "MLFLOW_SERVER_ONLINE_SCORING_MAX_WORKERS": "1",
        TOKEN_VARIABLE: secrets.token_hex(32),
        GATEWAY_VARIABLE: f"http://{LOOPBACK}:{port}",
    }


class Jobs:
    """Tells a job's own call from anybody else's."""

    def __init__(self, token: str, gateway: str, identity: Callable[[str], Identity]):
        self._identity = identity
        self._token = token.encode()
        self._host = gateway.removeprefix("http://").encode()

    async def identity(self, user: str) -> Identity:
        """What the user may do now, not when the job was started."""
        return await anyio.to_thread.run_sync(self._identity, user)

    def user(self, scope: Scope) -> str | None:
        """Who started the job that this request comes from; None where it comes from no job.

        A job runs in this container: it asks loopback by name, from loopback, with nothing between that would have
        said so in a header, and it knows the token.
        """
        if scope["method"] != "POST" or not _MODELS.fullmatch(scope["path"]):
            return None
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if (scope.get("client") or ("",))[0] != LOOPBACK:
            return None
        if any(name.startswith((b"x-forwarded", b"forwarded")) for name, _ in headers):
            return None
        if [value for name, value in headers if name == b"host"] != [self._host]:
            return None
        credentials = [value for name, value in headers if name == b"authorization"]
        return self._name(credentials[0]) if len(credentials) == 1 else None

    def _name(self, credentials: bytes) -> str | None:
        scheme, _, encoded = credentials.partition(b" ")
        try:
            name, colon, token = base64.b64decode(encoded, validate=True).rpartition(b":")
            known = colon and scheme.lower() == b"basic" and hmac.compare_digest(token, self._token)
            return name.decode() if known else None
        except (binascii.Error, UnicodeDecodeError):
            return None


def within(scope: Scope, public_host: bytes) -> Scope:
    """The job's request as MLflow's app may see it: by the public name, and without the token."""
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"host", b"authorization", b"cookie")]
    return {**scope, "headers": [(b"host", public_host), *headers]}
