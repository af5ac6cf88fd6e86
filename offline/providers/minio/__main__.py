"""The plugin: `python -m offline.providers.minio`."""

from offline.providers.minio import PROVIDER
from offline.providers.server import serve

serve(PROVIDER)
