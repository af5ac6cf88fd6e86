"""NGINX: the one door."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
from pulumi import Input, ResourceOptions

from components import login_door, s3_door
from components.network import Network, ServiceArgs

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

    # Paths only: a query may hold a code, a state or a signature.
    log_format paths '$remote_addr [$time_iso8601] $request_method $uri $status $body_bytes_sent $request_time'
                     ' $upstream_addr';
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
    map "$scheme://$http_host=$http_origin" $foreign {{
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
    proxy_connect_timeout 10s;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    client_body_timeout 1h;
    send_timeout 1h;

    # What the client says of itself is overwritten: there is no proxy in front of this one.
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port "";
    proxy_set_header X-Forwarded-Prefix "";
    proxy_set_header X-Forwarded-Scheme "";
    proxy_set_header X-Forwarded-Ssl "";
    proxy_set_header X-Real-IP "";
    proxy_set_header Forwarded "";
    proxy_set_header Upgrade $upgrade;
    proxy_set_header Connection $connection_upgrade;
{dropped_headers}
    proxy_headers_hash_max_size 2048;  # for so many names
    proxy_headers_hash_bucket_size 128;

{s3_rules}
    server {{
        listen {health};
        access_log off;
        return 204;
    }}

{sites}
}}
"""

_SITE = """\
    server {{
        listen {port};
{locations}    }}
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

# MinIO's console keeps a websocket to one server: the same client always gets the same one.
_STICKY = """\
    split_clients $remote_addr $console {{
{shares}
    }}
"""


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """What a Gateway needs: for every service its host and port on the network, and the public host port for it."""

    network: Network
    image: Input[str]
    listen: str  # the host's address that the public ports are opened on
    tracking: str
    tracking_port: int
    tracking_url: str  # the public one
    tracking_closed: str  # a path there that only the platform's network may use
    identity: str
    identity_port: int
    identity_realm: str  # whose logins pass
    identity_administration: bool  # whether that passes, too
    s3: str
    s3_port: int
    consoles: Sequence[str]  # one per MinIO server
    console_port: int
    memory_mb: int = 256


class Gateway(pulumi.ComponentResource):
    """Everything public comes in here, and is passed on as it flows; nothing else listens but on loopback.

    It waits for nothing: what is behind it is looked up at each request.
    """

    def __init__(self, name: str, args: GatewayArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Gateway", name, None, opts)
        public = {5000: args.tracking_port, 8080: args.identity_port, 9000: args.s3_port, 9001: args.console_port}
        args.network.service(
            name,
            ServiceArgs(
                image=args.image,
                files={"/etc/nginx/nginx.conf": self._configuration(args)},
                ports=[
                    docker.ContainerPortArgs(internal=inside, external=outside, ip=args.listen)
                    for inside, outside in public.items()
                ],
                healthcheck=["CMD", "curl", "-fsS", f"http://{_HEALTH}/"],
                memory_mb=args.memory_mb,
                memory_folders={"/tmp": 16},
                start_seconds=60,
                interval="1s",
            ),
            ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def _configuration(self, args: GatewayArgs) -> str:
        logins = login_door.locations(
            args.identity, args.identity_realm, args.tracking_url, args.identity_administration
        )
        sites = [
            _site(5000, _CLOSED.format(path=args.tracking_closed), _ALL.format(upstream=args.tracking)),
            _site(8080, logins),
            _site(9000, s3_door.locations(args.s3), _ALL.format(upstream=args.s3)),
            _STICKY.format(shares=_shares(args.consoles)),
            _site(9001, _OWN_PAGES_ONLY.format(), _ALL.format(upstream="$console")),
        ]
        return _CONFIGURATION.format(
            health=_HEALTH,
            dropped_headers=s3_door.dropped_headers(),
            s3_rules=s3_door.rules(),
            sites="\n".join(sites),
        )


def _site(port: int, *locations: str) -> str:
    return _SITE.format(port=port, locations="".join(locations))


def _shares(servers: Sequence[str]) -> str:
    *others, last = servers
    percent = 100 / len(servers)
    return "\n".join([*(f"        {percent:.2f}% {server};" for server in others), f"        * {last};"])
