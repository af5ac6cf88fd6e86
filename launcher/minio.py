"""MinIO's administration, which is asked in the server's own container."""

# With the root's keys from its file: they are in no list of processes, here or there.
_ASK = """
. "$MINIO_CONFIG_ENV_FILE"
for question; do
  printf 'user = "%s:%s"\\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" | curl --fail --silent --max-time 5 --config - \\
    --aws-sigv4 "aws:amz:$MINIO_REGION:s3" "http://127.0.0.1:9000/minio/admin/v3/$question" && echo || exit 1
done
"""


def asking(*questions: str) -> list[str]:
    """The command that prints a line of JSON for each; it fails where one is not answered."""
    return ["sh", "-c", _ASK, "sh", *questions]
