"""The plugin: `python -m offline.providers.keycloak`."""

from offline.providers.base import serve
from offline.providers.keycloak.provider import PROVIDER

serve(PROVIDER)
