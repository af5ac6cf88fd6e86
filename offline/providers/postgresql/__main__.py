"""The plugin: `python -m offline.providers.postgresql`."""

from offline.providers.base import serve
from offline.providers.postgresql import PROVIDER

serve(PROVIDER)
