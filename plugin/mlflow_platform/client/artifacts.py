"""Artifacts of the platform's bucket, with the user's own credentials; every other bucket as MLflow does it."""

import os
import posixpath
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, wait
from inspect import signature
from pathlib import Path
from typing import Any

from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from mlflow_platform.client.mlflow_session import find_session


class PlatformS3ArtifactRepository(S3ArtifactRepository):
    """MLflow's own repository with another client, for uploads, downloads and signed links alike."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None):
        given: dict[str, Any] = {"tracking_uri": tracking_uri, "registry_uri": registry_uri}
        known = signature(S3ArtifactRepository.__init__).parameters  # MLflow 2 has neither, 3.1 the first alone
        super().__init__(artifact_uri, **{name: uri for name, uri in given.items() if name in known})
        self.tracking_uri = tracking_uri

    def _get_s3_client(self) -> Any:
        return self._platform_client() or super()._get_s3_client()

    def _platform_client(self) -> Any:
        """None where the bucket is not the platform's, or the user brings keys or has no login."""
        if self._access_key_id or not (session := find_session(self.tracking_uri)):
            return None
        from mlflow_platform.client import storage  # boto3 takes its time to import

        bucket, _ = self.parse_s3_compliant_uri(self.artifact_uri)
        return storage.client(session, bucket)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Uploads a folder, as many files at once as MLflow downloads; MLflow itself sends one after the other.

        After the first error nothing more is begun, and it is raised when what was under way has ended.
        """
        if not self._platform_client():
            super().log_artifacts(local_dir, artifact_path)
            return
        uploads = [self.thread_pool.submit(self.log_artifact, *each) for each in _files(local_dir, artifact_path)]
        try:
            wait(uploads, return_when=FIRST_EXCEPTION)
        finally:  # also when interrupted: the threads would go on, and keep the process from ending
            pending = [upload for upload in uploads if not upload.cancel()]
        wait(pending)
        for upload in pending:
            upload.result()


def _files(local_dir: str, artifact_path: str | None) -> Iterator[tuple[str, str | None]]:
    """All below a folder, each with the artifact path that MLflow keeps it under."""
    top = Path(local_dir).absolute()
    for folder, _, names in os.walk(top):
        deeper = Path(folder).relative_to(top).as_posix()
        below = artifact_path if deeper == "." else posixpath.join(artifact_path or "", deeper)
        for name in names:
            yield str(Path(folder, name)), below
