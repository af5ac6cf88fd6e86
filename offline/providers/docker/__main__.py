"""The plugin's process: `python -m offline.providers.docker ENGINE_ADDRESS`."""

from ..server import serve
from . import PROVIDER

serve(PROVIDER)
