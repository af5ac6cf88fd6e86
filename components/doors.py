"""How the gateway is reached: the `server` blocks around what each site passes on, by who ends TLS.

With domains all sites share two ports and are told apart by name; without, each has a port on one host.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.settings import Proxy, Site, Sites
from components.settings.sites import NAMES, Name, is_address

OWN_PORTS: Mapping[Name, int] = {"mlflow": 5000, "login": 8080, "s3": 9000, "console": 9001}
"""Inside of the container, where each site has a port."""
HTTP, HTTPS = 8080, 8443
"""Inside of the container, where they share."""

CERTIFICATES = "/certificates"
"""Where the volume with certificates is in the gateway; `images/certificates` says what is in it."""
IN_USE = f"{CERTIFICATES}/served/current.conf"
"""Which key is in use, as a line for NGINX; a new key is a new line."""

# Mozilla's intermediate profile (ssl-config.mozilla.org, 5.7) without its three ciphers of finite fields, which no
# client needs that has TLS 1.2. Certificates are read at each handshake, so a renewed one needs no reload.
_TLS = f"""\
    include {IN_USE};
    ssl_certificate {CERTIFICATES}/served/keys/$served_key/fullchain.pem;
    ssl_certificate_key {CERTIFICATES}/served/keys/$served_key/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers {
    ":".join(
        f"ECDHE-{key}-{cipher}"
        for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
        for key in ("ECDSA", "RSA")
    )
};
    ssl_prefer_server_ciphers off;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_session_cache shared:tls:10m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;
"""

# Whoever asks at the load balancer is known by what that says; but only that may say it.
_BEHIND_A_PROXY = """\
    geo $realip_remote_addr $by_the_proxy {{
        default 0;
{listed}
    }}
{trusted}
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
"""

_SERVER = """\
    server {{
        listen {listen};
{door}{locations}    }}
"""
_UNKNOWN_HTTP = """\
    server {{
        listen {port} default_server;
        return 444;
    }}
"""
# Without a name that is ours there is no handshake; with one, and another in the request, there is no site.
_UNKNOWN_HTTPS = """\
    server {{
        listen {port} ssl default_server;
        ssl_reject_handshake on;
        error_page 497 = @closed;
        location @closed {{
            return 444;
        }}
        location / {{
            return 421;
        }}
    }}
"""
_CHALLENGES = f"""\
        location ^~ /.well-known/acme-challenge/ {{
            root {CERTIFICATES}/challenges;
            default_type text/plain;
        }}
"""
_ANSWER = """\
        location {location} {{
            default_type application/xml;
            return {answer};
        }}
"""
_ANSWER_IF = """\
        if ({condition}) {{
            return {answer};
        }}
"""

_HSTS = '        add_header Strict-Transport-Security "max-age=63072000" always;\n'  # two years


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Of all sites; `tls` is who ends it."""

    sites: Sites
    proxy: Proxy | None
    certificates: bool  # whether it is the gateway
    http_port: int  # the public one

    @property
    def published(self) -> dict[int, int]:
        """The ports of the container, and the public port that each is."""
        if not self.sites.named:
            return {OWN_PORTS[name]: self._site(name).port for name in NAMES}
        return {HTTP: self.http_port, **({HTTPS: self.sites.mlflow.port} if self.certificates else {})}

    @property
    def scheme(self) -> str:
        """What the client used, for NGINX."""
        return "https" if self.proxy else "$scheme"

    def common(self) -> str:
        """What all of `http` needs."""
        if self.certificates:
            return _TLS
        if self.proxy:
            return _BEHIND_A_PROXY.format(
                listed="\n".join(f"        {network} 1;" for network in self.proxy.networks),
                trusted="\n".join(f"    set_real_ip_from {network};" for network in self.proxy.networks),
            )
        return ""

    def servers(self, locations: Mapping[Name, str]) -> str:
        """All `server` blocks, given what stands inside of each site's."""
        blocks = [self._server(name, locations[name]) for name in NAMES]
        if self.sites.named:
            blocks.append(_UNKNOWN_HTTP.format(port=HTTP))
            if self.certificates:
                blocks += [self._redirect(name) for name in NAMES]
                blocks.append(_UNKNOWN_HTTPS.format(port=HTTPS))
        elif self.certificates and not is_address(self.sites.mlflow.host):
            blocks += [_UNKNOWN_HTTPS.format(port=OWN_PORTS[name]) for name in NAMES]
        return "\n".join(blocks)

    def _site(self, name: Name) -> Site:
        return getattr(self.sites, name)

    def _server(self, name: Name, locations: str) -> str:
        shared = HTTPS if self.certificates else HTTP
        port = shared if self.sites.named else OWN_PORTS[name]
        return _SERVER.format(
            listen=f"{port} ssl" if self.certificates else port, door="".join(self._door(name)), locations=locations
        )

    def _door(self, name: Name) -> list[str]:
        """What a request has to be like before anything of the site is looked at."""
        site = self._site(name)
        door: list[str] = []
        if self.sites.named or self.certificates:
            host = re.escape(site.host)
            door.append(f"        server_name {site.host};\n")
            # A request's own address may name the site, and its header another.
            door.append(_ANSWER_IF.format(condition=f'$http_host !~* "^{host}(:[0-9]+)?$"', answer=421))
            if self.certificates and not is_address(site.host):
                door.append(_ANSWER_IF.format(condition=f'$ssl_server_name !~* "^{host}$"', answer=421))
        if self.certificates:
            door.append("        http2 on;\n")
            if not self.sites.named:
                door.append("        error_page 497 = @plain;\n")
                door.append(_ANSWER.format(location="@plain", answer=_to_https(name, site)))
        if self.proxy:
            door.append(_ANSWER_IF.format(condition="$by_the_proxy = 0", answer=444))
            to_https = _to_https(name, site)
            door.append(_ANSWER_IF.format(condition='$http_x_forwarded_proto != "https"', answer=to_https))
        if self._hsts(site):
            door.append(_HSTS)
        return door

    def _hsts(self, site: Site) -> bool:
        """It holds for every port of a host, so only where none of them has http but the one that leads to https."""
        return self.sites.named and site.url == f"https://{site.host}" and self.http_port == 80

    def _redirect(self, name: Name) -> str:
        site = self._site(name)
        return _SERVER.format(
            listen=HTTP,
            door=f"        server_name {site.host};\n",
            locations=_CHALLENGES + _ANSWER.format(location="/", answer=_to_https(name, site)),
        )


def _to_https(name: Name, site: Site) -> str:
    """A signed request does not survive a redirect, since the address is part of what is signed."""
    if name == "s3":
        return f'400 "<Error><Code>InvalidRequest</Code><Message>S3 is at {site.url} here.</Message></Error>"'
    return f"308 {site.url}$request_uri"
