"""How long logins last, and what is handed out for them."""

from typing import Self

from pydantic import Field, model_validator

from components.settings.values import StorageSeconds, Strict


class Lifetimes(Strict):
    """How long what is handed out holds, in seconds."""

    access_token: int = Field(default=300, ge=10, le=3600)
    """A token; so long it outlives a logout or a right that was lost."""
    session_idle: int = Field(default=8 * 3600, ge=30, le=30 * 86400)
    """A login that nobody uses; longer than `access_token`."""
    session_max: int = Field(default=3 * 86400, ge=30, le=90 * 86400)
    """A login in all; at least `session_idle`."""
    storage_credentials: StorageSeconds = 3600  # None is the file's "token"
    """S3 credentials; `token`: as long as the token that they were asked with."""

    @property
    def longest_storage(self) -> int:
        """What MinIO grants at most, a session at its console included; STS gives no less than 15 minutes."""
        return self.storage_credentials or 900

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.access_token >= self.session_idle:
            raise ValueError(
                f"access_token is {self.access_token}, but needs less than session_idle, {self.session_idle}"
            )
        if self.session_idle > self.session_max:
            raise ValueError(f"session_idle is {self.session_idle}, but may be at most session_max, {self.session_max}")
        return self
