"""What passes to Keycloak through the real NGINX, with a server behind it that would show what it was asked."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disguises import DISGUISED, ask
from tests.images import nginx
from tests.unit.graph import DEV, PROJECT, declare

# What Chromium and the clients ask for while people log in, look at their account, and log out.
LOGINS = [
    "/realms/mlflow",
    "/realms/mlflow/",
    "/realms/mlflow/.well-known/openid-configuration",
    "/realms/mlflow/account",
    "/realms/mlflow/account/",
    "/realms/mlflow/account/account-security/signing-in",
    "/realms/mlflow/account/sessions/devices",
    "/realms/mlflow/account/?userProfileMetadata=true&x=/../%2e%2e;//",
    "/realms/mlflow/broker/company/endpoint?code=a%2Fb",
    "/realms/mlflow/device?user_code=ABCD-EFGH",
    "/realms/mlflow/device/status",
    "/realms/mlflow/login-actions/authenticate?session_code=x&execution=6f&client_id=mlflow&tab_id=x",
    "/realms/mlflow/protocol/openid-connect/auth?redirect_uri=http%3A%2F%2Flocalhost%3A5000%2F..%2F",
    "/realms/mlflow/protocol/openid-connect/auth/device",
    "/realms/mlflow/protocol/openid-connect/certs",
    "/realms/mlflow/protocol/openid-connect/login-status-iframe.html/init",
    "/realms/mlflow/protocol/openid-connect/3p-cookies/step1.html",
    "/realms/mlflow/protocol/openid-connect/logout/logout-confirm",
    "/realms/mlflow/protocol/openid-connect/token",
    "/resources/mlflow/account/pt-BR",
    "/resources/q0d60/account/keycloak.v3/assets/RedHatText-Medium-CFPgPIaW.woff2",
    "/resources/q0d60/common/keycloak/vendor/patternfly-v5/patternfly.min.css",
    "/resources/q0d60/login/keycloak.v2/css/styles.css",
]
ADMINISTRATION = [
    "/admin/",
    "/admin/master/console/",
    "/admin/realms/mlflow/roles/a%20role%2Fof%20ours",
    "/realms/master/protocol/openid-connect/auth?client_id=security-admin-console",
    "/resources/master/admin/en",
    "/resources/q0d60/admin/keycloak.v2/logo.svg",
]
_BEGINNINGS = ["/", "/realms/mlflow", "/realms/mlflow/account/", "/resources/q0d60/login/x/"]
_PIECES = ["realms", "mlflow", "master", "admin", "account", "protocol", "openid-connect", "resources", "login", "x"]
_PIECES += ["/", "//", ".", "..", ";", "\\", "%2e", "%2f", "%5c", "%25", "%00", "?", "#", "%", "é", "A", "-", "~"]


def site(image: str, **settings: str) -> Iterator[int]:
    config = {**DEV, **{f"{PROJECT}:{key}": value for key, value in settings.items()}}
    with nginx.mirror() as keycloak:
        configuration = declare(config).upload("gateway", "/etc/nginx/nginx.conf").replace("keycloak:8080", keycloak)
        with nginx.gateway(image, configuration, 8080) as port:
            yield port


@pytest.fixture(scope="module")
def door(local_image: Callable[[str], str]) -> Iterator[int]:
    yield from site(local_image("nginx"))


@pytest.fixture(scope="module")
def open_door(local_image: Callable[[str], str]) -> Iterator[int]:
    """Of a stack that is administered in public."""
    yield from site(local_image("nginx"), keycloak_admin="public")


def reached(said: str) -> str | None:
    """The path that the server behind was sent, if it was."""
    _, _, body = said.partition("\r\n\r\n")
    return json.loads(body)["path"].encode("latin-1").decode() if body.startswith("{") else None  # as Python reads it


@pytest.mark.parametrize("path", LOGINS)
def test_what_a_login_needs_passes_as_it_is(door: int, path: str):
    for method in ("GET", "POST"):
        assert reached(ask(door, path, method=method)[1]) == path


@pytest.mark.parametrize("path", DISGUISED, ids=ascii)
def test_nothing_else_passes_however_it_is_written(door: int, path: str):
    for method in ("GET", "POST"):
        status, said = ask(door, path, method=method)
        assert reached(said) is None
        assert status in (400, 404), said


@pytest.mark.parametrize("path", ["/", "/?x=y", "http://localhost", "http://evil.example/"])
def test_the_front_page_leads_to_mlflow_whatever_is_said_of_the_host(door: int, path: str):
    for host in ("localhost:8080", "evil.example", "keycloak:8080"):
        status, said = ask(door, path, f"Host: {host}")
        assert status == 302
        assert "\r\nLocation: http://localhost:5000/\r\n" in said


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL: /admin/",
        "X-Rewrite-URL: /admin/",
        "X-Forwarded-Prefix: /admin",
        "X-Forwarded-Path: /admin",
        "X-Forwarded-Host: localhost:18080",
        "Forwarded: host=localhost:18080",
    ],
)
def test_no_header_leads_elsewhere(door: int, header: str):
    assert ask(door, "/admin/", "Host: localhost:8080", header)[0] == 404
    _, said = ask(door, "/realms/mlflow", "Host: localhost:8080", header)
    assert reached(said) == "/realms/mlflow"
    if "Forwarded" in header and "Path" not in header:
        assert "18080" not in said and "/admin" not in said


@given(st.sampled_from(_BEGINNINGS), st.lists(st.sampled_from(_PIECES), max_size=10).map("".join))
@settings(max_examples=400, deadline=None)
def test_what_passes_means_the_same_to_every_server(door: int, beginning: str, rest: str):
    """Nothing is left in it that one decodes, cuts off or resolves, and another does not."""
    path = beginning + rest
    _, said = ask(door, path)
    if (passed := reached(said)) is None:
        return
    assert passed == path
    plain = passed.partition("?")[0]
    assert unquote(plain) == plain
    assert not set(plain) & set(";\\%")
    first, *segments, last = plain.split("/")
    assert not {"", ".", ".."} & set(segments) and first == "" and last not in (".", "..")
    assert segments[:1] == ["resources"] or [*segments, last][:2] == ["realms", "mlflow"]


@pytest.mark.parametrize("path", [*LOGINS, *ADMINISTRATION])
def test_administration_passes_beside_logins_where_a_stack_says_so(open_door: int, path: str):
    assert reached(ask(open_door, path)[1]) == path


@pytest.mark.parametrize(
    "path",
    [
        "/realms/other",
        "/realms/master-evil",
        "/realms/master/clients-registrations/default",
        "/realms/mlflow/clients-registrations/default",
        "/administration",
        "/metrics",
        "/admin/../metrics",
        "/admin/%2e%2e/metrics",
        "/admin/..%2fmetrics",
        "/realms/mlflow/../other",
    ],
)
def test_even_then_the_rest_is_closed(open_door: int, path: str):
    status, said = ask(open_door, path)
    assert reached(said) is None
    assert status in (400, 404)
