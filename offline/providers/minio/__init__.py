"""A stand-in for pulumi-minio 0.17.1 on minio-py and its admin client."""

from typing import Any

from ..base import Prop, ProviderError, StandIn
from .buckets import S3Bucket, S3BucketVersioning
from .iam import IamPolicy, IamUser, IamUserPolicyAttachment
from .lifecycle import IlmPolicy

CONFIG = {
    "minioServer": Prop(str),
    "minioUser": Prop(str),
    "minioPassword": Prop(str, secret=True),
    "minioSsl": Prop(bool),
    "minioInsecure": Prop(bool),
    "minioRegion": Prop(str),
}


def connect(config: dict[str, Any]) -> Any:
    """The server as its configuration names it; nothing is contacted before the first call."""
    unknown = sorted(key for key in config.keys() - CONFIG.keys() if not key.startswith("_") and key != "version")
    if unknown:
        raise ProviderError(f"the offline minio provider does not know {', '.join(unknown)}; remove it")
    missing = [key for key in ("minioServer", "minioUser", "minioPassword") if not config.get(key)]
    if missing:
        raise ProviderError(f"the minio provider needs {', '.join(missing)}; set it where the provider is made")

    from .server import Server  # imported late: minio-py takes longer to load than all the rest

    return Server(config)


PROVIDER = StandIn(
    "minio",
    "0.17.1",
    [S3Bucket(), S3BucketVersioning(), IlmPolicy(), IamPolicy(), IamUser(), IamUserPolicyAttachment()],
    connect=connect,
    config=CONFIG,
)
