"""The plugin: `python -m offline.providers.postgresql`."""

from offline.providers.postgresql import PROVIDER
from offline.providers.server import serve

serve(PROVIDER)
