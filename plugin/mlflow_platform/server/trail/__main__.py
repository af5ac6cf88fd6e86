"""`./platform audit` within the container: `python -m mlflow_platform.server.trail SINCE`.

An event a line, the newest first.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mlflow_platform.server.settings import SECRETS, load_secrets
from mlflow_platform.server.trail.reading import Wanted, everything
from mlflow_platform.server.trail.sources import sources


def main(arguments: Sequence[str], secrets: Path = SECRETS) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("since", type=int, help="microseconds since 1970")
    parser.add_argument("--user", default="")
    parser.add_argument("--room", default="")
    asked = parser.parse_args(arguments)
    load_secrets(secrets)
    wanted = Wanted(user=asked.user, room=asked.room, since=asked.since)
    for event in everything(sources(), wanted):
        print(json.dumps(asdict(event)))


if __name__ == "__main__":
    main(sys.argv[1:])
