"""What NGINX is told: everything passes as it flows, and nothing that is secret is logged."""

import re

import pytest

from .graph import DEV, PROJECT, Graph, declare


@pytest.fixture
def configuration(dev: Graph) -> str:
    return without_comments(dev.upload("gateway", "/etc/nginx/nginx.conf"))


def without_comments(text: str) -> str:
    return re.sub(r"#.*", "", text)


def directives(text: str, name: str) -> list[str]:
    return [" ".join(value.split()) for value in re.findall(rf"^\s*{name}\s+([^;]*);", text, re.MULTILINE)]


def sites(text: str) -> dict[str, str]:
    """What is listened on, and where it is passed to."""
    blocks = re.findall(r"server \{(.*?)\n    \}", text, re.DOTALL)
    return {directives(block, "listen")[0]: (directives(block, r"set \$upstream") or [""])[0] for block in blocks}


def test_every_brace_is_closed(configuration: str):
    assert configuration.count("{") == configuration.count("}")
    assert "{{" not in configuration


def test_each_port_leads_to_its_service(configuration: str, dev: Graph):
    assert sites(configuration) == {
        "5000": "mlflow:5000",
        "8080": "keycloak:8080",
        "9000": "minio:9000",
        "9001": "$console",
        "127.0.0.1:8000": "",
    }
    inside = {port["internal"] for port in dev.container("gateway").inputs["ports"]}
    assert {str(int(port)) for port in inside} == sites(configuration).keys() - {"127.0.0.1:8000"}


def test_no_log_shows_a_query_a_header_or_a_cookie_for_they_hold_codes_and_tokens(configuration: str):
    (written,) = directives(configuration, "log_format")
    harmless = "remote_addr time_iso8601 request_method uri status body_bytes_sent request_time upstream_addr"
    harmless += " access_key caller"  # the name of S3's credentials, and what MLflow says of who asked
    assert set(re.findall(r"\$(\w+)", written)) <= set(harmless.split())
    name = written.split()[0]
    assert set(directives(configuration, "access_log")) == {f"/dev/stdout {name}", "off"}
    assert directives(configuration, "error_log") == ["/dev/stderr crit"]  # lesser errors quote the request


def test_no_upload_is_too_large_or_too_slow(configuration: str):
    assert directives(configuration, "client_max_body_size") == ["0"]
    for timeout in ("proxy_read_timeout", "proxy_send_timeout", "client_body_timeout", "send_timeout"):
        assert directives(configuration, timeout) == ["1h"]


def test_only_keycloak_ends_sessions_and_only_minio_tells_of_objects_from_behind(configuration: str, dev: Graph):
    closed = re.findall(r"location (\S+) \{\s*return 404;\s*\}", site(configuration, 5000))
    assert closed == ["/oidc/backchannel-logout", "/platform/storage-events"]
    client = dev.the("openid/client:Client", "keycloak-realm-mlflow").inputs
    told = dict(line.split("=", 1) for line in dev.container("minio-1").inputs["envs"])
    assert client["backchannelLogoutUrl"].endswith(closed[0])
    assert told["MINIO_AUDIT_WEBHOOK_ENDPOINT_MLFLOW"].endswith(closed[1])


def site(text: str, port: int) -> str:
    (found,) = (block for block in re.findall(r"server \{.*?\n    \}", text, re.DOTALL) if f"listen {port};" in block)
    return found


def test_logins_of_the_platforms_realm_pass_and_nothing_else_of_keycloak(configuration: str, dev: Graph):
    logins = site(configuration, 8080)
    realm = dev.the("realm:Realm", "keycloak-realm").inputs["realm"]
    assert re.search(r"location / \{\s*return 404;\s*\}", logins)
    assert set(re.findall(r"/realms/\((.*?)\)", logins)) == {realm}
    assert "admin" not in logins and "master" not in logins


def test_administration_passes_where_a_stack_says_so():
    graph = declare({**DEV, f"{PROJECT}:keycloak_admin": "public"})
    logins = site(without_comments(graph.upload("gateway", "/etc/nginx/nginx.conf")), 8080)
    assert "/realms/(mlflow|master)(" in logins and "|/admin(/|$)" in logins


def test_keycloaks_front_page_is_mlflows(configuration: str, dev: Graph):
    (target,) = re.findall(r"location = / \{\s*return 302 (\S+);", site(configuration, 8080))
    assert target == f"{dev.outputs['mlflow_tracking_uri']}/"


def test_a_token_of_somebody_in_hundreds_of_groups_passes_and_so_does_a_long_answer(configuration: str):
    assert directives(configuration, "large_client_header_buffers") == ["4 64k"]
    assert directives(configuration, "proxy_buffer_size") == ["32k", "128k"]  # S3's is larger yet


def test_everything_is_passed_on_as_it_flows(configuration: str):
    assert directives(configuration, "proxy_buffering") == ["off"]
    assert directives(configuration, "proxy_request_buffering") == ["off"]


def test_websockets_pass(configuration: str):
    assert directives(configuration, "proxy_http_version") == ["1.1"]
    headers = directives(configuration, "proxy_set_header")
    assert {"Upgrade $upgrade", "Connection $connection_upgrade"} <= set(headers)
    assert re.search(r'map \$http_upgrade \$upgrade \{\s*default +"";\s*"~\*\^websocket\$" websocket;', configuration)
    assert re.search(r"map \$upgrade \$connection_upgrade \{\s*default upgrade;", configuration)


def test_a_client_cannot_say_where_it_comes_from(configuration: str):
    headers = set(directives(configuration, "proxy_set_header"))
    # With the port, which MinIO's signatures and MLflow's check of hosts are about.
    assert {"Host $http_host", "X-Forwarded-Host $http_host"} <= headers
    assert {"X-Forwarded-For $remote_addr", "X-Forwarded-Proto $scheme"} <= headers
    unused = (
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Scheme",
        "X-Forwarded-Ssl",
        "X-Real-IP",
        "Forwarded",
    )
    assert {f'{name} ""' for name in unused} <= headers  # an empty one is not passed on


def test_the_console_takes_requests_of_its_own_pages_only(configuration: str):
    assert re.search(
        r'map "\$scheme://\$http_host=\$http_origin" \$foreign \{\s*default 1;', re.sub(" +", " ", configuration)
    )
    inside_a_site = re.findall(r"server \{.*?\n    \}", configuration, re.DOTALL)
    assert [re.search(r"listen (\d+);", it)[1] for it in inside_a_site if "if ($foreign)" in it] == ["9001"]  # pyright: ignore[reportOptionalSubscript]


def test_headers_are_set_in_one_place_for_a_second_place_would_forget_the_first(configuration: str):
    inside_a_site = re.findall(r"server \{.*?\n    \}", configuration, re.DOTALL)
    assert not any("proxy_set_header" in site for site in inside_a_site)


def test_nothing_is_written_outside_of_tmp_for_it_runs_as_nobody_in_particular(configuration: str):
    for path in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        assert directives(configuration, f"{path}_temp_path") == [f"/tmp/{path}"]
    assert directives(configuration, "pid") == ["/tmp/nginx.pid"]


def test_a_service_that_restarted_is_found_at_its_new_address(configuration: str):
    (resolver,) = directives(configuration, "resolver")
    assert resolver.startswith("127.0.0.11 valid=5s")
    assert set(directives(configuration, "proxy_pass")) == {"http://$upstream"}  # a variable, so looked up anew


def test_each_client_has_one_of_the_consoles_for_good(cluster: Graph):
    configuration = without_comments(cluster.upload("gateway", "/etc/nginx/nginx.conf"))
    shares = re.search(r"split_clients \$remote_addr \$console \{(.*?)\}", configuration, re.DOTALL)
    assert shares
    assert re.findall(r"(\S+)\s+(\S+);", shares[1]) == [
        ("25.00%", "minio-1:9001"),
        ("25.00%", "minio-2:9001"),
        ("25.00%", "minio-3:9001"),
        ("*", "minio-4:9001"),
    ]
