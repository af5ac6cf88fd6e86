"""A stand-in for pulumi-postgresql 3.18.2 on psycopg; one module for each resource type."""

import os
from typing import Any

from ..base import Prop, ProviderError, StandIn
from .database import Database
from .grant import Grant
from .role import Role

CONFIG = {
    "host": Prop(str),
    "port": Prop(int),
    "database": Prop(str),
    "username": Prop(str),
    "password": Prop(str, secret=True),
    "sslmode": Prop(str),
    "sslrootcert": Prop(str),
    "superuser": Prop(bool),
    "connectTimeout": Prop(int),
    "maxConnections": Prop(int),
}

# What the official plugin takes where the program says nothing (cyrilgdn/terraform-provider-postgresql, provider.go;
# no sslmode means "require" to its driver, lib/pq).
DEFAULTS = {
    "port": int(os.environ.get("PGPORT", "5432")),
    "database": os.environ.get("PGDATABASE", "postgres"),
    "username": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD"),
    "host": os.environ.get("PGHOST", ""),
    "sslmode": os.environ.get("PGSSLMODE", "require"),
    "connectTimeout": int(os.environ.get("PGCONNECT_TIMEOUT", "180")),
}


def connect(config: dict[str, Any]) -> Any:
    """The server as its configuration names it; nothing is contacted before the first statement."""
    unknown = sorted(key for key in config.keys() - CONFIG.keys() if not key.startswith("_") and key != "version")
    if unknown:
        raise ProviderError(f"the offline postgresql provider does not know {', '.join(unknown)}; remove it")
    if config.get("superuser") is False:
        raise ProviderError("the offline postgresql provider needs a superuser; leave superuser out or set it to true")

    from .server import Server  # imported late: psycopg takes longer to load than all the rest

    return Server({**DEFAULTS, **config})


PROVIDER = StandIn("postgresql", "3.18.2", [Role(), Database(), Grant()], connect=connect, config=CONFIG)
