"""What a stack's YAML may say: one typed tree, read once."""

from components.settings.lifetimes import Lifetimes
from components.settings.reading import SettingsError, load, parse
from components.settings.retention import Retention
from components.settings.sites import Site, Sites
from components.settings.teams import BucketAccess
from components.settings.tls import Acme, ByTheGateway, Files, Proxy, SelfSigned
from components.settings.tree import SERVICE_ACCOUNT, LogLevel, Settings
from components.settings.values import Prefix

__all__ = [
    "SERVICE_ACCOUNT",
    "Acme",
    "BucketAccess",
    "ByTheGateway",
    "Files",
    "Lifetimes",
    "LogLevel",
    "Prefix",
    "Proxy",
    "Retention",
    "SelfSigned",
    "Settings",
    "SettingsError",
    "Site",
    "Sites",
    "load",
    "parse",
]
