"""MinIO: the servers, the artifact bucket, and the policies that tokens name."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_minio as minio
from pulumi import Input, Output, ResourceOptions

from components.durations import go_duration
from components.network import Network, ServiceArgs
from components.passwords import access_key, password
from components.policies import backup_policy, tracking_policy
from components.realm import Client

_S3 = 9000
_CONSOLE = 9001
_TRACKING = "mlflow-server"
_BACKUP = "backup"
_SECRETS_FILE = "/run/secrets/minio.env"


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What an ObjectStore needs. `nodes` times `drives` volumes; `policies` are documents (JSON) by name."""

    network: Network
    image: Input[str]
    admin_port: int  # a host port on loopback
    console_url: str  # public
    console_seconds: int  # a session there, and its credentials
    issuer_backchannel_url: str
    issuer: pulumi.Resource  # waited for: MinIO that starts without its issuer does without single sign-on
    console_client: Client
    nodes: int
    drives: int
    bucket: str
    region: str
    policies: Mapping[str, str]
    events_url: str  # whom the servers tell what was asked of them
    noncurrent_days: int  # that a version which was overwritten or deleted is kept
    unfinished_uploads_days: int
    memory_mb: int = 1024


@dataclass(frozen=True)
class Access:
    """A service's own way in: a user with a policy for the artifact bucket and nothing else."""

    access_key: Output[str]
    secret_key: Output[str]  # secret


class ObjectStore(pulumi.ComponentResource):
    """S3 for artifacts. People get in by Keycloak alone: their token's `policy` names what they may do."""

    s3: str
    """S3 and STS on the platform's network, host and port: any of the servers."""
    consoles: list[str]
    """The servers' consoles on the platform's network, host and port each."""
    bucket: Output[str]
    """The artifact bucket; resolves once it keeps versions, for as long as it should, and every policy is there."""
    tracking: Access
    events_token: Output[str]
    """With which the servers tell what was asked of them (secret)."""
    root: dict[str, Output[str]]
    """MinIO's root: user and password (secret); for Pulumi and for emergencies."""

    def __init__(self, name: str, args: ObjectStoreArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:ObjectStore", name, None, opts)
        self._name, self._bucket_name = name, args.bucket
        self.root = {"user": access_key(f"{name}-root", self), "password": password(f"{name}-root", self)}
        self.events_token = password(f"{name}-events", self)
        nodes = [f"{name}-{number}" for number in range(1, args.nodes + 1)]
        servers = [self._server(number, node, args) for number, node in enumerate(nodes)]
        self.s3 = f"{name}:{_S3}"
        self.consoles = [f"{node}:{_CONSOLE}" for node in nodes]
        self._on_server = ResourceOptions(parent=self, provider=self._administration(args, servers))

        bucket, lifecycle = self._bucket(args.bucket, args.noncurrent_days)
        policies = [self._policy(policy, document) for policy, document in args.policies.items()]
        self.tracking = self._user(_TRACKING, tracking_policy(args.bucket))
        self.bucket = Output.all(bucket.bucket, lifecycle.id, *[policy.id for policy in policies]).apply(
            lambda made: made[0]
        )
        self.register_outputs({"bucket": self.bucket})

    def _server(self, number: int, node: str, args: ObjectStoreArgs) -> docker.Container:
        volumes = {
            f"/data{drive}": args.network.volume(f"{node}-data{drive}", self).name
            for drive in range(1, args.drives + 1)
        }
        admin = docker.ContainerPortArgs(internal=_S3, external=args.admin_port, ip="127.0.0.1")
        return args.network.service(
            node,
            ServiceArgs(
                image=args.image,
                command=["server", *self._drives(args), "--address", f":{_S3}", "--console-address", f":{_CONSOLE}"],
                envs=[
                    f"MINIO_CONFIG_ENV_FILE={_SECRETS_FILE}",
                    "HOME=/tmp",  # of whichever user: a folder for certificates is made there
                    f"MINIO_REGION={args.region}",
                    f"MINIO_BROWSER_REDIRECT_URL={args.console_url}",
                    f"MINIO_BROWSER_SESSION_DURATION={args.console_seconds}s",
                    # No rule of the bucket's: MinIO has none that ends uploads.
                    f"MINIO_API_STALE_UPLOADS_EXPIRY={go_duration(86400 * args.unfinished_uploads_days)}",
                    *self._audit_trail(args.events_url),
                    *self._single_sign_on(args),
                ],
                files={_SECRETS_FILE: self._secrets(args.console_client)},
                volumes=volumes,
                ports=[admin] if number == 0 else [],
                # Not /minio/health/ready, which answers before the drives are up.
                healthcheck=["CMD", "curl", "-fsS", f"http://127.0.0.1:{_S3}/minio/health/cluster"],
                memory_mb=args.memory_mb,
                memory_folders={"/tmp": 16},
                # Root in the upstream image, which may have to write to volumes that our own began as another user.
                capabilities=["DAC_OVERRIDE"],
                alias=self._name,
                interval="1s",
            ),
            ResourceOptions(parent=self, depends_on=[args.issuer]),
        )

    def _drives(self, args: ObjectStoreArgs) -> list[str]:
        """Paths on one node; across nodes, URLs of all drives of all nodes, in MinIO's own notation of ranges."""
        paths = "/data1" if args.drives == 1 else f"/data{{1...{args.drives}}}"
        if args.nodes == 1:
            return [paths]
        return [f"http://{self._name}-{{1...{args.nodes}}}:{_S3}{paths}"]

    @staticmethod
    def _audit_trail(url: str) -> list[str]:
        """MinIO's own, sent every second. What waits while nobody takes it has a part of the memory, and no more."""
        options = {"ENABLE": "on", "ENDPOINT": url, "BATCH_SIZE": "100", "QUEUE_SIZE": "2000"}
        return [f"MINIO_AUDIT_WEBHOOK_{key}_MLFLOW={value}" for key, value in options.items()]

    def _single_sign_on(self, args: ObjectStoreArgs) -> list[Output[str]]:
        """The OpenID configuration named KEYCLOAK."""
        options: dict[str, Input[str]] = {
            "CONFIG_URL": f"{args.issuer_backchannel_url}/.well-known/openid-configuration",
            "CLIENT_ID": args.console_client.client_id,
            "CLAIM_NAME": "policy",
            "SCOPES": "openid",
            "REDIRECT_URI": f"{args.console_url}/oauth_callback",
            "DISPLAY_NAME": "Keycloak",
        }
        return [Output.concat(f"MINIO_IDENTITY_OPENID_{key}_KEYCLOAK=", value) for key, value in options.items()]

    def _secrets(self, console_client: Client) -> Output[str]:
        """A file, so that `docker inspect` does not show what is in it."""
        return Output.format(
            "MINIO_ROOT_USER={0}\nMINIO_ROOT_PASSWORD={1}\nMINIO_IDENTITY_OPENID_CLIENT_SECRET_KEYCLOAK={2}\n"
            "MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_MLFLOW={3}\n",
            self.root["user"],
            self.root["password"],
            console_client.secret,
            self.events_token,
        )

    def _administration(self, args: ObjectStoreArgs, servers: list[docker.Container]) -> minio.Provider:
        return minio.Provider(
            f"{self._name}-admin",
            minio_server=f"127.0.0.1:{args.admin_port}",
            minio_user=self.root["user"],
            minio_password=self.root["password"],
            minio_region=args.region,
            minio_ssl=False,  # over loopback
            opts=ResourceOptions(parent=self, depends_on=servers),
        )

    def _bucket(self, name: str, noncurrent_days: int) -> tuple[minio.S3Bucket, minio.IlmPolicy]:
        # Never deleted by itself, which MinIO refuses while artifacts are in it: it goes or stays with its volumes.
        opts = ResourceOptions.merge(self._on_server, ResourceOptions(retain_on_delete=True))
        bucket = minio.S3Bucket(f"{self._name}-artifacts", bucket=name, acl="private", opts=opts)
        versioning = minio.S3BucketVersioning(
            f"{self._name}-artifacts",
            bucket=bucket.bucket,
            versioning_configuration=minio.S3BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=opts,
        )
        # In a row: each is a change of the same document on the server, where two at once lose one.
        lifecycle = minio.IlmPolicy(
            f"{self._name}-artifacts",
            bucket=bucket.bucket,
            rules=[
                minio.IlmPolicyRuleArgs(
                    id="noncurrent",
                    noncurrent_version_expiration_days=noncurrent_days,
                    expiration="DeleteMarker",  # with the last version goes what says that it was deleted
                )
            ],
            opts=ResourceOptions.merge(opts, ResourceOptions(depends_on=[versioning])),
        )
        return bucket, lifecycle

    def _policy(self, name: str, document: str) -> minio.IamPolicy:
        return minio.IamPolicy(f"{self._name}-{name}", name=name, policy=document, opts=self._on_server)

    def backup_user(self) -> Access:
        """Who may read everything, and is told of each change."""
        return self._user(_BACKUP, backup_policy(self._bucket_name))

    def _user(self, whose: str, document: str) -> Access:
        """A user with an attached policy: an inline policy of a service account can be escaped (CVE-2025-62506)."""
        name = f"{self._name}-{whose}"
        key, secret = access_key(name, self), password(name, self)
        policy = self._policy(whose, document)
        user = minio.IamUser(name, name=key, secret=secret, opts=self._on_server)
        minio.IamUserPolicyAttachment(name, user_name=user.name, policy_name=policy.name, opts=self._on_server)
        return Access(access_key=key, secret_key=secret)
