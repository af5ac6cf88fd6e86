"""The plugin: `python -m offline.providers.keycloak`."""

from offline.providers.keycloak import PROVIDER
from offline.providers.server import serve

serve(PROVIDER)
