"""NGINX: the one door."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
from pulumi import Input, ResourceOptions

from components import login_door, s3_door
from components.certificates import Certificates
from components.doors import CERTIFICATES, IN_USE, Doors
from components.network import Network, ServiceArgs
from components.settings import Proxy, Sites

_HEALTH = "127.0.0.1:8000"

# Names are looked up anew every few seconds, at Docker's own DNS: a service that was restarted comes back with another
# address, and one that is down is not listed. A name that several servers share is balanced in turn.
_CONFIGURATION = """\
worker_processes auto;
pid /tmp/nginx.pid;
# An error's text quotes the whole request, and with it codes and signatures; status and upstream are in the access log.
error_log /dev/stderr crit;

events {{
    worker_connections 4096;
}}

http {{
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;

    # Paths only: a query may hold a code, a state or a signature. Who asked is what MLflow says, or the name of the
    # credentials that a request to S3 is signed with; whose they are is in MLflow's log.
    map "$http_authorization $args" $access_key {{
        default "-";
        "~Credential=(?<named>[A-Za-z0-9]{{3,128}})(?:/|%2F)" $named;
    }}
    map $upstream_http_x_mlflow_platform_caller $caller {{
        default $upstream_http_x_mlflow_platform_caller;
        ""      "- -";
    }}
    log_format paths '$remote_addr [$time_iso8601] $request_method $uri $status $body_bytes_sent $request_time'
                     ' $upstream_addr $access_key $caller';
    access_log /dev/stdout paths;
    server_tokens off;

    resolver 127.0.0.11 valid=5s ipv6=off;

    # Websockets alone: another protocol (h2c) would carry requests that nobody here looks at.
    map $http_upgrade $upgrade {{
        default        "";
        "~*^websocket$" websocket;
    }}
    map $upgrade $connection_upgrade {{
        default upgrade;
        ""      "";
    }}

    # Whether a page of another origin asks: browsers say so with all but what is typed in, followed or shown.
    map "{scheme}://$http_host=$http_origin" $foreign {{
        default       1;
        "~=$"         0;
        "~^(.+)=\\1$" 0;
    }}

    # No limit of size, nothing held back on the way, and time for the slowest upload.
    client_max_body_size 0;
    large_client_header_buffers 4 64k;  # a token of a user in hundreds of groups is long
    proxy_buffer_size 32k;  # and so may be what a login sets and returns to: one answer's headers
    proxy_buffers 4 32k;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_connect_timeout 3s;  # then the next server of several is asked; one that was sent anything is the last
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    client_body_timeout 1h;
    send_timeout 1h;

    # What the client says of itself is overwritten.
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto {scheme};
    proxy_set_header X-Forwarded-Port "";
    proxy_set_header X-Forwarded-Prefix "";
    proxy_set_header X-Forwarded-Scheme "";
    proxy_set_header X-Forwarded-Ssl "";
    proxy_set_header X-Real-IP "";
    proxy_set_header Forwarded "";
    proxy_set_header Upgrade $upgrade;
    proxy_set_header Connection $connection_upgrade;
{dropped_headers}
    # It holds for all ports of a host: where it is right, the gateway says so itself, and Keycloak says it everywhere.
    proxy_hide_header Strict-Transport-Security;
    proxy_hide_header X-MLflow-Platform-Caller;
    proxy_headers_hash_max_size 2048;  # for so many names
    proxy_headers_hash_bucket_size 128;

{doors}
{s3_rules}
    server {{
        listen {health};
        access_log off;
        return 204;
    }}

{sites}
}}
"""

_ALL = """\
        location / {{
            set $upstream {upstream};
            proxy_pass http://$upstream;
        }}
"""

# All that begins with it, however a path is written: NGINX compares it decoded, without double slashes and dots.
_CLOSED = """\
        location {path} {{
            return 404;
        }}
"""

# MinIO's console does whatever comes with its cookie, and browsers send that for pages on other ports of a host, too.
_OWN_PAGES_ONLY = """\
        if ($foreign) {{
            return 403;
        }}
"""

# What is read at once. With NGINX's 16k of an upload and the 32k above it takes twice the processor time or more.
_LARGE = """\
        client_body_buffer_size 128k;
        proxy_buffer_size 128k;
        proxy_buffers 4 128k;
"""

# MinIO does not know that browsers come by https.
_SECURE_COOKIES = """\
        proxy_cookie_flags ~ secure;
"""

# MinIO's console keeps a websocket to one server: the same client always gets the same one.
_STICKY = """\
    split_clients $remote_addr $console {{
{shares}
    }}
"""


# A certificate of the same key is taken up by itself; of another, when NGINX has read which key it is.
_WATCHING = f"""\
loaded=$(cat {IN_USE})
while sleep 2; do
    now=$(cat {IN_USE}) && [ "$now" != "$loaded" ] && nginx -s reload && loaded=$now
done &
exec nginx -g 'daemon off;'
"""


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """What a Gateway needs: every service's host and port on the network, and how the public reaches it."""

    network: Network
    image: Input[str]
    listen: str  # the host's address that the public ports are opened on
    sites: Sites
    http_port: int  # of the host, where the sites share ports
    proxy: Proxy | None  # who ends TLS, where neither the gateway does nor nobody
    certificates: Certificates | None  # with which the gateway ends TLS
    tracking: str
    tracking_closed: Sequence[str]  # paths there that only the platform's network may use
    identity: str
    identity_realm: str  # whose logins pass
    identity_administration: bool  # whether that passes, too
    s3: str
    consoles: Sequence[str]  # one per MinIO server
    memory_mb: int = 512  # a transfer of an object takes a quarter of one


class Gateway(pulumi.ComponentResource):
    """Everything public comes in here, and is passed on as it flows; nothing else listens but on loopback.

    It waits for no service: what is behind it is looked up at each request.
    """

    def __init__(self, name: str, args: GatewayArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Gateway", name, None, opts)
        doors = Doors(
            sites=args.sites,
            proxy=args.proxy,
            certificates=args.certificates is not None,
            http_port=args.http_port,
        )
        args.network.service(
            name,
            ServiceArgs(
                image=args.image,
                command=["sh", "-c", _WATCHING] if args.certificates else None,
                files={"/etc/nginx/nginx.conf": self._configuration(args, doors)},
                shared={CERTIFICATES: args.certificates.volume} if args.certificates else {},
                ports=[
                    docker.ContainerPortArgs(internal=inside, external=outside, ip=args.listen)
                    for inside, outside in doors.published.items()
                ],
                healthcheck=["CMD", "curl", "-fsS", f"http://{_HEALTH}/"],
                memory_mb=args.memory_mb,
                log_mb=600,  # who did what: some millions of requests
                memory_folders={"/tmp": 16},
                start_seconds=60,
                interval="1s",
            ),
            ResourceOptions(parent=self, depends_on=[args.certificates] if args.certificates else None),
        )
        self.register_outputs({})

    def _configuration(self, args: GatewayArgs, doors: Doors) -> str:
        logins = login_door.locations(
            args.identity, args.identity_realm, args.sites.mlflow.url, args.identity_administration
        )
        secure = _SECURE_COOKIES if args.sites.console.scheme == "https" else ""
        servers = doors.servers(
            {
                "mlflow": "".join(_CLOSED.format(path=path) for path in args.tracking_closed)
                + _ALL.format(upstream=args.tracking),
                "login": logins,
                "s3": _LARGE.format() + s3_door.locations(args.s3) + _ALL.format(upstream=args.s3),
                "console": secure + _OWN_PAGES_ONLY.format() + _ALL.format(upstream="$console"),
            }
        )
        return _CONFIGURATION.format(
            health=_HEALTH,
            scheme=doors.scheme,
            dropped_headers=s3_door.dropped_headers(),
            doors=doors.common(),
            s3_rules=s3_door.rules(),
            sites=_STICKY.format(shares=_shares(args.consoles)) + servers,
        )


def _shares(servers: Sequence[str]) -> str:
    *others, last = servers
    percent = 100 / len(servers)
    return "\n".join([*(f"        {percent:.2f}% {server};" for server in others), f"        * {last};"])
