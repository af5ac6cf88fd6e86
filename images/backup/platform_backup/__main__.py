"""`run` is the container's own; the others are asked by the launcher with docker exec, or docker run for restores."""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from platform_backup import config, control, restore
from platform_backup import manifest as manifests
from platform_backup.config import Config
from platform_backup.database import SEGMENT, DatabaseError, configure, on_socket
from platform_backup.place import Place, PlaceError
from platform_backup.service import HOLD, STACK, Service
from platform_backup.status import FILE


def main() -> int:
    options = _parsed()
    try:
        return options.do(options)
    except (PlaceError, DatabaseError, control.Refused) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="backup")
    commands = parser.add_subparsers(required=True)
    running = {
        "run": _run,
        "now": _asked,
        "verify": _asked,
        "list": _list,
        "status": _status,
        "keep-stack": _keep_stack,
        "release": _release,
    }
    restoring = {"look": _look, "get-stack": _get_stack, "get-database": _get_database, "get-objects": _get_objects}
    added = {name: commands.add_parser(name) for name in (*running, *restoring, "count")}
    for name, do in {**running, **restoring, "count": _count}.items():
        added[name].set_defaults(do=do, name=name)
    for name in restoring:
        added[name].add_argument("--at", type=float)
    added["now"].add_argument("--base", action="store_true")
    added["verify"].add_argument("--deep", action="store_true")
    added["get-objects"].add_argument("--below", default="")
    added["get-database"].add_argument("target", type=Path)
    added["count"].add_argument("socket")
    return parser.parse_args()


def _run(_: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what was under way is done again
    service = Service(config.uploaded())
    service.run()
    control.serve(service)
    return 0


def _asked(options: argparse.Namespace) -> int:
    """By way of the service, which knows what changed and takes one thing at a time."""
    return control.ask(
        {"do": options.name, "base": getattr(options, "base", False), "deep": getattr(options, "deep", False)}
    )


def _status(_: argparse.Namespace) -> int:
    sys.stdout.write(FILE.read_text())
    return 0


def _keep_stack(_: argparse.Namespace) -> int:
    draft = STACK.with_suffix(".new")  # in memory: it has every password in it
    draft.touch(mode=0o600)
    draft.write_bytes(sys.stdin.buffer.read())
    draft.rename(STACK)
    return 0


def _release(_: argparse.Namespace) -> int:
    HOLD.unlink(missing_ok=True)
    return 0


def _list(_: argparse.Namespace) -> int:
    place = Place(config.uploaded())
    for manifest in manifests.all_of(place):
        print(json.dumps(asdict(manifest)))
    return 0


def _given() -> tuple[Config, Place]:
    known = config.given(sys.stdin.read())
    return known, Place(known)


def _look(options: argparse.Namespace) -> int:
    """What would be restored, as JSON: the mark of the place, the backup, and the base that records begin with."""
    _, place = _given()
    chosen = restore.choose(place, options.at)
    base = restore.base_for(place, chosen, options.at)
    log = SEGMENT * len(restore.log_for(place, chosen, base, options.at))
    print(json.dumps({"place": place.mark(), "backup": asdict(chosen), "base": asdict(base), "log_bytes": log}))
    return 0


def _get_stack(options: argparse.Namespace) -> int:
    _, place = _given()
    sys.stdout.buffer.write(restore.stack(place, restore.choose(place, options.at)))
    return 0


def _get_database(options: argparse.Namespace) -> int:
    known, place = _given()
    configure(known)
    restore.database(place, restore.choose(place, options.at), options.at, options.target, _told)
    return 0


def _count(options: argparse.Namespace) -> int:
    """Of a server that listens on a socket alone."""
    print(json.dumps(manifests.counts(lambda database: on_socket(options.socket, database))))
    return 0


def _get_objects(options: argparse.Namespace) -> int:
    known, place = _given()
    bucket = known.settings["s3"]["bucket"]
    restore.objects(place, restore.choose(place, options.at), options.at, bucket, _told, options.below)
    return 0


def _told(text: str) -> None:
    print(f"   {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
