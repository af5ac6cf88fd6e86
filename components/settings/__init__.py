"""What a stack's YAML may say: one typed tree, read once."""

from components.settings.lifetimes import Lifetimes
from components.settings.reading import SettingsError, load, parse
from components.settings.teams import BucketAccess
from components.settings.tree import SERVICE_ACCOUNT, LogLevel, Settings
from components.settings.values import Prefix

__all__ = [
    "SERVICE_ACCOUNT",
    "BucketAccess",
    "Lifetimes",
    "LogLevel",
    "Prefix",
    "Settings",
    "SettingsError",
    "load",
    "parse",
]
