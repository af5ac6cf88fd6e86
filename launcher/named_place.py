"""Where a stack file (its path is the argument) has backups sent, as JSON; run by the program's own Python."""

import json
import sys
from pathlib import Path

from launcher.named_files import settings

if __name__ == "__main__":
    place = settings(Path(sys.argv[1])).backup.place
    print(json.dumps(place and place.model_dump(exclude={"credentials"}), sort_keys=True))
