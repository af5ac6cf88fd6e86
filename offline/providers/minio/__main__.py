"""The plugin: `python -m offline.providers.minio`."""

from offline.providers.base import serve
from offline.providers.minio import PROVIDER

serve(PROVIDER)
