"""The platform: one door, one login, and behind it MLflow on PostgreSQL and MinIO."""

import pulumi
from pulumi import Output

from components import settings as stack
from components import teams
from components.backup import Backup, BackupArgs
from components.certificates import Certificates, CertificatesArgs
from components.database import Database, DatabaseArgs
from components.gateway import Gateway, GatewayArgs
from components.identity import EVENTS, Identity, IdentityArgs
from components.images import PINS, Images, versions
from components.network import Networks
from components.object_store import ObjectStore, ObjectStoreArgs
from components.tracking import BACKCHANNEL_LOGOUT, STORAGE_EVENTS, Tracking, TrackingArgs, address

TRACKING, GATEWAY = "mlflow", "gateway"  # others are told their addresses before they are there

settings = stack.load()
ports, sites, tls = settings.ports, settings.sites, settings.tls

unused = {"certbot": not isinstance(tls, stack.Acme), "backup": not settings.backup.place}
images = Images("images", settings.images, without=[image for image, is_unused in unused.items() if is_unused])
networks = Networks("network", settings.prefix, settings.keep_data)

database = Database(
    "postgres",
    DatabaseArgs(
        network=networks.joining("database"),
        image=images.postgres,
        major=PINS["postgres"].major,
        admin_port=ports.admin_postgres,
        databases=["keycloak", "mlflow", "mlflow_auth"],
    ),
)

identity = Identity(
    "keycloak",
    IdentityArgs(
        network=networks.joining("front", "database"),
        image=images.keycloak,
        database=database.connections["keycloak"],
        admin_port=ports.admin_keycloak,
        public_url=sites.login.url,
        admin_url=settings.keycloak_admin_url,
        tracking_url=sites.mlflow.url,
        console_url=sites.console.url,
        backchannel_logout_url=f"http://{address(TRACKING)}{BACKCHANNEL_LOGOUT}",
        groups=teams.groups(settings),
        dev_users=settings.dev_users,
        lifetimes=settings.lifetimes,
        events_days=settings.retention.events_days,
        password_grant=settings.password_grant,
        directory=settings.directory,
        identity_providers=settings.identity_providers,
        passwords=settings.passwords,
        second_factor=settings.second_factor,
        smtp=settings.smtp,
        trusted_authorities=settings.trusted_authorities,
    ),
)

object_store = ObjectStore(
    "minio",
    ObjectStoreArgs(
        network=networks.joining("front"),
        image=images.minio,
        admin_port=ports.admin_minio,
        console_url=sites.console.url,
        console_seconds=settings.lifetimes.longest_storage,
        issuer_backchannel_url=identity.backchannel_url,
        issuer=identity,
        console_client=identity.console,
        nodes=settings.storage.nodes,
        drives=settings.storage.drives,
        bucket=settings.storage.bucket,
        region=settings.storage.region,
        policies=teams.policies(settings),
        events_url=f"http://{address(TRACKING)}{STORAGE_EVENTS}",
        noncurrent_days=settings.retention.noncurrent_days,
        unfinished_uploads_days=settings.retention.unfinished_uploads_days,
    ),
)

tracking = Tracking(
    TRACKING,
    TrackingArgs(
        network=networks.joining("front", "database"),
        image=images.mlflow,
        records=database.connections["mlflow"],
        permissions=database.connections["mlflow_auth"],
        keycloaks_events=database.reader("mlflow_auth", "keycloak", EVENTS, once=identity.server),
        artifacts=object_store.tracking,
        storage_events_token=object_store.events_token,
        bucket=settings.storage.bucket,
        region=settings.storage.region,
        object_store_url=f"http://{object_store.s3}",
        public_url=sites.mlflow.url,
        public_object_store_url=sites.s3.url,
        issuer=identity.issuer,
        issuer_backchannel_url=identity.backchannel_url,
        login_client_id=identity.login_client_id,
        web_client=identity.web,
        lifetimes=settings.lifetimes,
        deleted_days=settings.retention.deleted_days,
        events_days=settings.retention.events_days,
        password_grant=settings.password_grant,
        workspaces=settings.workspaces and settings.all_workspaces,
        teams=teams.members_rights(settings),
        workers=settings.tracking.workers,
        log_level=settings.tracking.log_level,
    ),
)

if settings.backup.place:
    backup = Backup(
        "backup",
        BackupArgs(
            network=networks.joining("front", "database"),
            image=images.backup,
            settings=settings.backup,
            place=settings.backup.place,
            database=database.backup_role(),
            counted=["mlflow", "keycloak"],
            artifacts=object_store.backup_user(),
            object_store_url=f"http://{object_store.s3}",
            bucket=object_store.bucket,
            region=settings.storage.region,
            versions=versions(settings.images),
        ),
    )
    if backup.key:
        pulumi.export("backup_key", backup.key)
    if backup.public_key:
        pulumi.export("backup_public_key", backup.public_key)

certificates = None
if isinstance(tls, stack.ByTheGateway):
    certificates = Certificates(
        "certificates",
        CertificatesArgs(
            network=networks.joining("certificates"), images=images, tls=tls, hosts=sites.hosts, gateway=GATEWAY
        ),
    )
    if certificates.authority:
        pulumi.export("ca_certificate", certificates.authority)

Gateway(
    GATEWAY,
    GatewayArgs(
        network=networks.joining("front", *(["certificates"] if certificates else [])),
        image=images.nginx,
        listen=settings.listen_on,
        sites=sites,
        http_port=ports.http,
        proxy=tls if isinstance(tls, stack.Proxy) else None,
        certificates=certificates,
        tracking=tracking.host,
        tracking_closed=[BACKCHANNEL_LOGOUT, STORAGE_EVENTS],
        identity=identity.host,
        identity_realm=identity.realm,
        identity_administration=settings.keycloak_admin == "public",
        s3=object_store.s3,
        consoles=object_store.consoles,
    ),
)

pulumi.export("mlflow_tracking_uri", sites.mlflow.url)
pulumi.export("s3_endpoint_url", sites.s3.url)
pulumi.export("minio_console_url", sites.console.url)
pulumi.export("keycloak_url", sites.login.url)
pulumi.export("keycloak_admin_url", f"{settings.keycloak_admin_url}/admin/")
pulumi.export("oidc_issuer_url", identity.issuer)
pulumi.export("client_id", identity.login_client_id)
pulumi.export("artifact_bucket", object_store.bucket)
pulumi.export("s3_region", settings.storage.region)
pulumi.export(
    "client_env",
    {
        "MLFLOW_TRACKING_URI": sites.mlflow.url,
        "MLFLOW_S3_ENDPOINT_URL": sites.s3.url,
        "AWS_DEFAULT_REGION": settings.storage.region,
    },
)
pulumi.export("dev_users", Output.secret(identity.dev_users))
service_clients = {
    name: {"client_id": client.client_id, "client_secret": client.secret}
    for name, client in identity.service_clients.items()
}
pulumi.export("service_clients", Output.secret(service_clients))
pulumi.export("keycloak_admin", Output.secret(identity.admin))
pulumi.export("minio_root", Output.secret(object_store.root))
