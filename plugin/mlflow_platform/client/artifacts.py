"""Artifacts of the platform's bucket, with the user's own credentials; every other bucket as MLflow does it."""

from typing import Any

from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from mlflow_platform.client.tracking import find_session


class PlatformS3ArtifactRepository(S3ArtifactRepository):
    """MLflow's own repository; what differs is whose client it uses, for uploads, downloads and signed links alike."""

    def _get_s3_client(self) -> Any:
        if not self._access_key_id and (session := find_session(self.tracking_uri)):
            from mlflow_platform.client import storage  # boto3 takes its time to import

            bucket, _ = self.parse_s3_compliant_uri(self.artifact_uri)
            if client := storage.client(session, bucket):
                return client
        return super()._get_s3_client()
