"""The operating system that this is, as far as the client knows of it: `posix` or `windows`."""

import os

from mlflow_platform.client import posix, windows

here = posix if os.name == "posix" else windows
