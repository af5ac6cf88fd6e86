"""What a stack's YAML may say: one typed tree, read once."""

from components.settings.accounts import Passwords, Smtp
from components.settings.backup import S3, Backup, HostFolder, OwnVolume, Place, Sftp
from components.settings.directory import Directory
from components.settings.lifetimes import Lifetimes
from components.settings.providers import Provider
from components.settings.reading import SettingsError, load, parse
from components.settings.retention import Retention
from components.settings.sites import Site, Sites
from components.settings.teams import DEFAULT_WORKSPACE, BucketAccess, CannedPolicy, SecondFactor, Team
from components.settings.tls import Acme, ByTheGateway, Files, Proxy, SelfSigned
from components.settings.tree import SERVICE_ACCOUNT, LogLevel, Settings
from components.settings.values import Prefix

__all__ = [
    "DEFAULT_WORKSPACE",
    "S3",
    "SERVICE_ACCOUNT",
    "Acme",
    "Backup",
    "BucketAccess",
    "ByTheGateway",
    "CannedPolicy",
    "Directory",
    "Files",
    "HostFolder",
    "Lifetimes",
    "LogLevel",
    "OwnVolume",
    "Passwords",
    "Place",
    "Prefix",
    "Provider",
    "Proxy",
    "Retention",
    "SecondFactor",
    "SelfSigned",
    "Settings",
    "SettingsError",
    "Sftp",
    "Site",
    "Sites",
    "Smtp",
    "Team",
    "load",
    "parse",
]
