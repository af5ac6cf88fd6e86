"""MLflow, with the plugin that lets in whoever Keycloak vouches for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import pulumi
from pulumi import Input, Output, ResourceOptions

from components.database import Connection
from components.network import Network, ServiceArgs
from components.object_store import Access
from components.passwords import password
from components.realm import TRACKING_AUDIENCE, Client
from components.settings import Lifetimes, LogLevel

_PORT = 5000
_SETTINGS_FILE = "/etc/mlflow-platform/server.json"
_SECRETS_FILE = "/run/secrets/mlflow.env"
BACKCHANNEL_LOGOUT = "/oidc/backchannel-logout"
STORAGE_EVENTS = "/platform/storage-events"
_HEALTHY = (
    f"import http.client as c; server = c.HTTPConnection('127.0.0.1', {_PORT}); server.request('GET', '/health')"
    "; assert server.getresponse().status == 200"
)


def address(name: str) -> str:
    """Host and port on the platform's network of the Tracking server of this name."""
    return f"{name}:{_PORT}"


class MemberRights(TypedDict):
    """What a group of the realm may do."""

    levels: dict[str, str]
    """By workspace."""
    reads: list[str]
    """What begins the keys of artifacts that MLflow shows; the empty text does for all."""


@dataclass(frozen=True, kw_only=True)
class TrackingArgs:
    """What a Tracking server needs."""

    network: Network
    image: Input[str]
    records: Connection
    permissions: Connection
    keycloaks_events: Connection
    artifacts: Access
    storage_events_token: Output[str]  # secret; with which the object store says what happened
    bucket: str
    region: str
    object_store_url: str  # on the platform's network
    public_url: str
    public_object_store_url: str
    issuer: str
    issuer_backchannel_url: str
    login_client_id: str
    web_client: Client
    lifetimes: Lifetimes
    deleted_days: int  # after which what was deleted leaves for good
    events_days: int  # that the audit trail is kept for its page
    password_grant: bool
    workspaces: Sequence[str]  # none: MLflow has but its own
    teams: Mapping[str, MemberRights]
    workers: int
    log_level: LogLevel
    memory_mb: int = 3072  # a job is a process of 200 MB, and every kind of job may run one


class Tracking(pulumi.ComponentResource):
    """A tracking server that has no credential of anything but its own databases, bucket and Keycloak client.

    It waits for the databases and for its client's secret, not for MinIO: that it asks at each request.
    """

    host: str
    """Host and port on the platform's network."""

    def __init__(self, name: str, args: TrackingArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Tracking", name, None, opts)
        args.network.service(
            name,
            ServiceArgs(
                image=args.image,
                envs=[
                    f"MLFLOW_PLATFORM_CONFIG={_SETTINGS_FILE}",
                    f"MLFLOW_S3_ENDPOINT_URL={args.object_store_url}",
                    f"AWS_REGION={args.region}",
                ],
                files={
                    _SETTINGS_FILE: self._settings(args),
                    _SECRETS_FILE: self._secrets(
                        args,
                        MLFLOW_FLASK_SERVER_SECRET_KEY=password(f"{name}-flask", self),
                        MLFLOW_PLATFORM_SESSION_KEY=password(f"{name}-session", self),
                        # For the keys of models' providers; MLflow's default is public.
                        MLFLOW_CRYPTO_KEK_PASSPHRASE=password(f"{name}-providers", self),
                    ),
                },
                healthcheck=["CMD", "python", "-c", _HEALTHY],
                memory_mb=args.memory_mb,
                log_mb=600,  # who logged in and was refused, beside each request
                disk_folders=["/tmp"],  # what a browser asks for passes through it whole, of any size
            ),
            ResourceOptions(parent=self),
        )
        self.host = address(name)
        self.register_outputs({"host": self.host})

    def _settings(self, args: TrackingArgs) -> Output[str]:
        """What the plugin is told: where everything is and which group may do what. No secret."""
        settings = {
            "public_url": args.public_url,
            "issuer": args.issuer,
            "backchannel_url": args.issuer_backchannel_url,
            "audience": TRACKING_AUDIENCE,
            "client_id": args.login_client_id,
            "web_client_id": args.web_client.client_id,
            "session_idle_seconds": args.lifetimes.session_idle,
            "session_max_seconds": args.lifetimes.session_max,
            "sts_endpoint": args.object_store_url,
            "s3_endpoint": args.public_object_store_url,
            "s3_region": args.region,
            "bucket": args.bucket,
            "storage_credentials_seconds": args.lifetimes.storage_credentials,
            "deleted_days": args.deleted_days,
            "events_days": args.events_days,
            "workspaces": list(args.workspaces),
            "teams": args.teams,
            "password_grant": args.password_grant,
            "workers": args.workers,
            "log_level": args.log_level,
            "forwarded_allow_ips": "*",  # only the platform's network reaches the port, and only the gateway uses it
        }
        return Output.json_dumps(settings, indent=1)

    def _secrets(self, args: TrackingArgs, **keys: Output[str]) -> Output[str]:
        """A file, so that `docker inspect` does not show what is in it."""
        secrets: dict[str, Input[str]] = {
            "MLFLOW_BACKEND_STORE_URI": args.records.uri("postgresql+psycopg"),
            "MLFLOW_PLATFORM_AUTH_DATABASE_URI": args.permissions.uri("postgresql+psycopg"),
            "MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI": args.keycloaks_events.uri("postgresql+psycopg"),
            "MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN": args.storage_events_token,
            "AWS_ACCESS_KEY_ID": args.artifacts.access_key,
            "AWS_SECRET_ACCESS_KEY": args.artifacts.secret_key,
            "MLFLOW_PLATFORM_WEB_CLIENT_SECRET": args.web_client.secret,
            **keys,
        }
        return Output.all(**secrets).apply(lambda known: "".join(f"{key}={known[key]}\n" for key in secrets))
