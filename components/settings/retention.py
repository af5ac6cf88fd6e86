"""What leaves the platform for good, and when."""

from pydantic import Field

from components.settings.values import Strict


class Retention(Strict):
    """How many days what nobody has any more can still be brought back; after that it leaves for good."""

    deleted_days: int = Field(default=30, ge=1, le=3650)
    """Runs, models and experiments that were deleted in MLflow, till then to be restored there, and the
    records of jobs that ended."""
    noncurrent_days: int = Field(default=30, ge=1, le=3650)
    """Versions of artifacts that were overwritten or deleted, till then to be restored by an administrator. What MLflow
    deletes for good becomes one, so its bytes stay for `deleted_days` and these."""
    unfinished_uploads_days: int = Field(default=7, ge=1, le=365)
    """Uploads in parts that nobody completed, from their beginning: longer than the longest upload takes."""
    events_days: int = Field(default=90, ge=1, le=3650)
    """What Keycloak writes down of logins, and of what its administrators do; and of MLflow and S3 what the page of
    events shows to administrators."""
