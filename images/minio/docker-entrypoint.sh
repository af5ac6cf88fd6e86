#!/bin/sh
# Like upstream's: `server /data` and `minio server /data` both run the server.
set -eu
[ "${1:-}" = minio ] || set -- minio "$@"
exec "$@"
