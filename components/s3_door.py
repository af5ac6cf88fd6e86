"""What the gateway lets through to S3: what clients of S3 and STS have a use for, and nothing of MinIO's own.

MinIO holds all of this by itself, too (`images/minio/patches`); here it is held for whatever image a registry gives.
"""

# Every header of this kind that MinIO's source knows: NGINX has no rule for the beginning of a name. What is sent
# between clusters that replicate, or only to administrate, is no client's business.
_SERVERS_HEADERS = (
    "X-Amz-Replication-Status",
    "X-Minio-Check-Replication-Ready",
    "X-Minio-Compressed",
    "X-Minio-Config-Applied",
    "X-Minio-Extract",
    "X-Minio-Force-Create",
    "X-Minio-Force-Delete",
    "X-Minio-From-Peer",
    "X-Minio-Internal-Actual-Object-Size",
    "X-Minio-Internal-Actual-Size",
    "X-Minio-Internal-Archive-Info",
    "X-Minio-Internal-Archive-Type",
    "X-Minio-Internal-Compression",
    "X-Minio-Internal-Encrypted-Multipart",
    "X-Minio-Internal-Erasure-Upgraded",
    "X-Minio-Internal-Inline-Data",
    "X-Minio-Internal-Server-Side-Encryption-Context",
    "X-Minio-Internal-Server-Side-Encryption-Iv",
    "X-Minio-Internal-Server-Side-Encryption-Kms-Sealed-Key",
    "X-Minio-Internal-Server-Side-Encryption-Seal-Algorithm",
    "X-Minio-Internal-Server-Side-Encryption-Sealed-Key",
    "X-Minio-LifecycleConfig-UpdatedAt",
    "X-Minio-Replication-Actual-Object-Size",
    "X-Minio-Replication-Delete-Status",
    "X-Minio-Replication-DeleteMarker-Status",
    "X-Minio-Replication-Encrypted-Multipart",
    "X-Minio-Replication-Ready",
    "X-Minio-Replication-Reset-Status",
    "X-Minio-Replication-Server-Side-Encryption-Iv",
    "X-Minio-Replication-Server-Side-Encryption-Seal-Algorithm",
    "X-Minio-Replication-Server-Side-Encryption-Sealed-Key",
    "X-Minio-Replication-Ssec-Crc",
    "X-Minio-Source-DeleteMarker",
    "X-Minio-Source-DeleteMarker-Delete",
    "X-Minio-Source-Etag",
    "X-Minio-Source-Mtime",
    "X-Minio-Source-Proxy-Request",
    "X-Minio-Source-Replication-Check",
    "X-Minio-Source-Replication-LegalHold-Timestamp",
    "X-Minio-Source-Replication-Request",
    "X-Minio-Source-Replication-Retention-Timestamp",
    "X-Minio-Source-Replication-Tagging-Timestamp",
    "X-Minio-Tagging-Proxied",
    "X-Minio-Transition",
)
_SNOWBALL_HEADERS = (
    "X-Amz-Meta-Snowball-Auto-Extract",
    "X-Amz-Meta-Minio-Snowball-Ignore-Dirs",
    "X-Amz-Meta-Minio-Snowball-Ignore-Errors",
    "X-Amz-Meta-Minio-Snowball-Prefix",
)

# $refused_by_s3 is the reason, or empty. The regular expressions ignore case; a header that comes twice is one value
# for them, joined by commas; and a query's name may not hide letters behind percent signs, which no client does.
_RULES = """\
    # A signature of the headers, as a stream needs that has none of its own (CVE-2026-41145).
    map $http_authorization $signed_headers {{
        default              0;
        "~^AWS4-HMAC-SHA256" 1;
    }}
    map "$signed_headers $http_x_amz_content_sha256" $refused_stream {{
        default                      "";
        "~*^0 .*unsigned-payload-tr" "An upload with unsigned trailers needs a signature in the Authorization header";
    }}
    map $args $refused_query {{
        default $refused_stream;
        "~*(^|&)[^=&]*%(2d|3[0-9]|4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])"
                "A name in the query is encoded without need";
        "~*(^|&)select(-type)?(=|&|$)"
                "S3 Select is not offered";
        "~*(^|&)x-(minio|amz-replication|amz-meta-snowball|amz-meta-minio-snowball)-"
                "The query has a name that clients of S3 have no use for";
        "~(^|&)Prefix="
                "The name of this parameter is prefix";
        "~*(^|&)x-amz-content-sha256=(?!(unsigned-payload|[0-9a-f]{{64}})(&|$))"
                "The X-Amz-Content-Sha256 of a query is UNSIGNED-PAYLOAD or a SHA-256";
    }}
    map "$http_authorization $args" $refused_signatures {{
        default $refused_query;
        "~*^\\S.*[ &](x-amz-(credential|signature|algorithm)|awsaccesskeyid)="
                "A request has one signature, in the Authorization header or in the query";
    }}
    # Beside a link to upload it makes a copy, with the rights of whoever signed the link (CVE-2026-97731).
    map "$http_x_amz_copy_source $http_authorization&$args" $refused_copy {{
        default $refused_signatures;
        "~*^\\S.*signedheaders=(?![^&, ]*x-amz-copy-source)"
                "The source of a copy has to be signed";
    }}
    map "{snowball_headers}" $refused_archive {{
        default "Archives are not extracted (Snowball)";
        ""      $refused_copy;
    }}
    map "{servers_headers}" $refused_by_s3 {{
        default "A header is of those by which servers of MinIO talk to each other";
        ""      $refused_archive;
    }}
"""

_LOCATIONS = """\
        default_type application/xml;
        if ($refused_by_s3) {
            return 403 "<Error><Code>AccessDenied</Code><Message>$refused_by_s3.</Message></Error>";
        }
        # NGINX sees a path without its dots, MinIO with them, which it refuses: both shall see one path.
        if ($request_uri ~* "^[^?]*(/|%2f)(\\.|%2e){1,2}(/|%2f|\\?|$)") {
            return 400 "<Error><Code>InvalidArgument</Code><Message>The path has dots for folders.</Message></Error>";
        }
        # MinIO's own: administration, metrics, and what its nodes tell each other on the platform's network.
        location ~* ^/minio(/|$) {
            return 403 "<Error><Code>AccessDenied</Code><Message>S3 and STS are offered here.</Message></Error>";
        }
        # No server answers, for instance while all are replaced: S3's own word for it, which clients wait after. What
        # NGINX says by itself they ask again within milliseconds, and have given up after two seconds.
        error_page 502 504 = @away;
        location @away {
            add_header x-amz-retry-after 5000 always;  # milliseconds
            add_header Retry-After 5 always;
            return 503 "<Error><Code>SlowDown</Code><Message>No server answers; try again.</Message></Error>";
        }
        # For whoever watches the address from outside; it says that a server is up, and nothing of it.
        location = /minio/health/live {
            set $upstream {upstream};
            proxy_pass http://$upstream;
        }
"""


def rules() -> str:
    """NGINX's maps, for all of `http`."""
    return _RULES.format(
        snowball_headers="".join(map(_variable, _SNOWBALL_HEADERS)),
        servers_headers="".join(map(_variable, _SERVERS_HEADERS)),
    )


def locations(upstream: str) -> str:
    """What the S3 site has before its `location /`."""
    return _LOCATIONS.replace("{upstream}", upstream)


def dropped_headers() -> str:
    """For all of `http`: empty ones, which a map cannot tell from none, are not passed on either.

    Nor is a header `Prefix`, which MinIO's policies would take for the query's.
    """
    names = (*_SERVERS_HEADERS, *_SNOWBALL_HEADERS, "Prefix")
    return "\n".join(f'    proxy_set_header {name} "";' for name in names)


def _variable(header: str) -> str:
    return "$http_" + header.lower().replace("-", "_")
