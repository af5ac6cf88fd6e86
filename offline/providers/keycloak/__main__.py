"""The plugin: `python -m offline.providers.keycloak`."""

from offline.providers.base import serve
from offline.providers.keycloak import PROVIDER

serve(PROVIDER)
