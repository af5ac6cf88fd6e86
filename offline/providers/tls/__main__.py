"""The plugin: `python -m offline.providers.tls`."""

from offline.providers.server import serve
from offline.providers.tls import PROVIDER

serve(PROVIDER)
