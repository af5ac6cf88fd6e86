"""What the gateway lets through to Keycloak: logins of the platform's realm, and administration where a stack says so.

It is a list of what passes; whatever else Keycloak offers, now or in its next version, is not there for the public.
"""

MASTER = "master"
"""Keycloak's own realm, of its administrators."""

# What browsers and clients ask of a realm. Not `clients-registrations`, `clients-managements`, `authz` or SAML: nobody
# here uses them, and Keycloak answers strangers there.
_OF_A_REALM = (r"\.well-known", "account", "broker", "device", "login-actions", "protocol/openid-connect")
_THEMES = ("account", "common", "login")

# Keycloak is sent the path as the client wrote it, and NGINX compares it decoded: they shall be one. So an encoded
# letter, a parameter (`;`), a backslash, an empty folder and a dot for one are refused; no login has any of them.
_LOCATIONS = """\
        if ($request_uri !~ "^({unjudged}(?![^?]*/(/|\\.+(/|\\?|$)))/[A-Za-z0-9._~/-]*(\\?|$))") {{
            return 404;
        }}
        location = / {{
            return 302 {home}/;
        }}
        location ~ "^({passed})" {{
            set $upstream {upstream};
            proxy_pass http://$upstream;
        }}
        location / {{
            return 404;
        }}
"""


def locations(upstream: str, realm: str, home: str, administration: bool) -> str:
    """All of the site; `home` is where its front page leads to."""
    realms = _any(realm, *([MASTER] if administration else []))
    themes = _any(*_THEMES, *(["admin"] if administration else []))
    passed = [
        f"/realms/{realms}(/?$|/{_any(*_OF_A_REALM)}(/|$))",
        f"/resources/[^/]+/{themes}/[^/]+/.",  # a theme's files
        f"/resources/{realms}/{themes}/[^/]+$",  # a realm's texts, by language
        *(["/admin(/|$)"] if administration else []),
    ]
    # The names of roles and groups, which are in an administrator's paths, may have to be encoded.
    unjudged = "/admin/|" if administration else ""
    return _LOCATIONS.format(upstream=upstream, home=home, passed="|".join(passed), unjudged=unjudged)


def _any(*names: str) -> str:
    return f"({'|'.join(names)})"
