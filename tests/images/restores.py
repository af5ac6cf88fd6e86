"""A restore from a place as the launcher runs it: by the backup image, in a container of its own."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from docker.models.containers import Container

from tests.images.backups import DATA, KNOWN_HOSTS, ROOT, Service, until

_LIMITS = ["--read-only", "--tmpfs=/run/backup:size=64m", "--tmpfs=/tmp:size=16m", "--user=0:0", "--cap-drop=ALL"]
_LIMITS += ["--cap-add=DAC_OVERRIDE", "--security-opt=no-new-privileges"]


class RestoreError(Exception):
    """What the image says."""


class Restore:
    """Of what a service wrote; the key and options of the place may be others than its."""

    def __init__(self, service: Service, **secrets: Any):
        self.stage, self._volume = service.stage, service.volume
        self._settings = dict(service.settings)
        if known_hosts := service.files.get(KNOWN_HOSTS):
            file = {"known_hosts": known_hosts, "known_hosts_file": "/run/backup/known_hosts"}
            self._settings["place"] = {**service.settings["place"], **file}
        self._secrets = {**service.secrets, **secrets}

    def look(self, at: float | None = None) -> dict[str, Any]:
        return json.loads(self.run(["look"], at))

    def run(
        self, arguments: Sequence[str], at: float | None = None, *options: str, s3: Mapping[str, str] | None = None
    ) -> str:
        settings = {**self._settings, **({"s3": s3} if s3 else {})}
        when = [] if at is None else [f"--at={at}"]
        mounts = [f"--volume={self._volume}:/place", "--volume=/var/lib/backup", f"--network={self.stage.network.name}"]
        image = self.stage.image("backup")
        command = ["docker", "run", "--rm", "--interactive", *_LIMITS, *mounts, *options, image, *arguments, *when]
        asking = json.dumps({"settings": settings, "secrets": self._secrets})
        finished = subprocess.run(command, input=asking, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise RestoreError(finished.stderr.strip())
        return finished.stdout

    def fetch_records(self, volume: str, at: float | None = None) -> None:
        self.run(["get-database", f"{DATA}/restored"], at, f"--volume={volume}:{DATA}")

    def server_on(self, volume: str, alias: str) -> Container:
        """A server on fetched records, once it has replayed the log."""
        environment = {"PGDATA": f"{DATA}/restored", "POSTGRES_PASSWORD_FILE": "/run/superuser"}
        server = self.stage.server(volume, alias, environment=environment)
        until(lambda: self.stage.sql("SELECT pg_is_in_recovery()", "postgres", server) == [(False,)])
        return server

    @contextmanager
    def records(self, at: float | None = None) -> Iterator[Container]:
        volume = self.stage.volume()
        self.fetch_records(volume, at)
        server = self.server_on(volume, "restored")
        yield server
        server.remove(force=True)

    def happened(self, at: float | None = None) -> list[str]:
        with self.records(at) as server:
            return [what for (what,) in self.stage.sql("SELECT what FROM happened ORDER BY what", server=server)]

    def objects(self, at: float | None = None, below: str = "") -> dict[str, bytes]:
        """All that comes back into an empty bucket."""
        client, bucket = self.stage.bucket(), f"restored-{len(self.stage.bucket().list_buckets())}"
        client.make_bucket(bucket)
        s3 = {"endpoint": "http://minio:9000", "bucket": bucket, "region": "us-east-1"}
        self._secrets |= {"s3_access_key": "root", "s3_secret_key": ROOT}
        self.run(["get-objects", *([f"--below={below}"] if below else [])], at, s3=s3)
        names = [str(entry.object_name) for entry in client.list_objects(bucket, recursive=True)]
        return {name: client.get_object(bucket, name).data for name in names}
