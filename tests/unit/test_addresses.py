"""Every public address comes from the settings' sites: none is written elsewhere, and none has another scheme."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from components.settings import parse
from tests.authority import authority, leaf

from .graph import DEV, PROJECT, ROOT, Graph, declare, stack_file

URL = re.compile(r"https?://[^\s\"'`,;]*")

INSIDE = "container to container, on the stack's own networks"
LOOPBACK = "the administration's port on loopback, or a container that asks itself"
TEXT = "says what an address may be, and is none"
JUSTIFIED = {
    ("__main__.py", "http://{address(TRACKING)}{BACKCHANNEL_LOGOUT}"): INSIDE,
    ("__main__.py", "http://{address(TRACKING)}{STORAGE_EVENTS}"): INSIDE,
    ("__main__.py", "http://{object_store.s3}"): INSIDE,
    ("components/identity.py", "http://{self.host}/realms/{realm.name}"): INSIDE,
    ("components/object_store.py", "http://{self._name}-{{1...{args.nodes}}}:{_S3}{paths}"): INSIDE,
    ("components/gateway.py", "http://$upstream"): INSIDE,
    ("components/login_door.py", "http://$upstream"): INSIDE,
    ("components/s3_door.py", "http://$upstream"): INSIDE,
    ("components/gateway.py", "http://{_HEALTH}/"): LOOPBACK,
    ("components/identity.py", "http://127.0.0.1:{args.admin_port}"): LOOPBACK,
    ("components/object_store.py", "http://127.0.0.1:{_S3}/minio/health/cluster"): LOOPBACK,
    ("components/settings/tree.py", "http://localhost:{self.ports.admin_keycloak}"): LOOPBACK,
    ("components/realm.py", "http://127.0.0.1/callback"): "where the client listens on its user's machine (RFC 8252)",
    ("components/settings/tls.py", "https://acme-v02.api.letsencrypt.org/directory"): "somebody else's",
    ("components/settings/reference.py", "https://json-schema.org/draft/2020-12/schema"): "somebody else's",
    ("components/settings/providers.py", "https://login.microsoftonline.com"): "somebody else's",
    ("components/settings/providers.py", "https://accounts.google.com"): "somebody else's",
    ("components/settings/providers.py", "https://accounts.google.com/o/oauth2/v2/auth"): "somebody else's",
    ("components/settings/providers.py", "https://oauth2.googleapis.com/token"): "somebody else's",
    ("components/settings/providers.py", "https://www.googleapis.com/oauth2/v3/certs"): "somebody else's",
    ("components/settings/reference.py", "https://"): TEXT,
    ("components/settings/values.py", "https://"): TEXT,
    ("components/doors.py", "https://{site.host}"): "is compared with a site's address, for whether that has no port",
}


def written(source: str) -> set[str]:
    """The addresses in a module's strings, but for those that document it."""
    tree = ast.parse(source)
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = [
        ast.unparse(node) if isinstance(node, ast.JoinedStr) else str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.JoinedStr, ast.Constant)) and id(node) not in documents | parts
    ]
    return {found for text in texts for found in URL.findall(text)}


def test_no_address_is_written_but_those_that_are_not_public():
    files = [ROOT / "__main__.py", *sorted((ROOT / "components").rglob("*.py"))]
    assert len(files) > 30
    found = {(str(file.relative_to(ROOT)), url) for file in files for url in written(file.read_text())}
    assert found == JUSTIFIED.keys()


def test_an_address_is_found_however_it_is_written():
    source = '''
"""https://documented"""
x = "to http://b"
y = f"https://{c}:{d}/e"
def f():
    """http://documented"""
    return [x + "http://"]
'''
    assert written(source) == {"http://b", "https://{c}:{d}/e", "http://"}


MODES: dict[str, Any] = {
    "self_signed": "self_signed",
    "acme": {"mode": "acme", "email": "ops@example.org"},
    "files": {"mode": "files"},
    "proxy": {"mode": "proxy", "networks": ["10.0.8.0/24"]},
}
FILES = [
    "Pulumi.dev.yaml",
    "Pulumi.dev-https.yaml",
    "Pulumi.prod.yaml",
    "tests/unit/settings/good/https-on-one-host.yaml",
    "tests/unit/settings/good/four-names-without-a-domain.yaml",
    "tests/unit/settings/good/all-keys.yaml",
    "tests/unit/settings/good/all-keys-of-domains.yaml",
]


def configured(file: str, mode: str, folder: Path) -> dict[str, str]:
    """A stack file with another way to https: for `files` with a pair that fits its sites."""
    config = {**stack_file(ROOT / file), f"{PROJECT}:images": "local"}
    tls = MODES[mode]
    if mode == "files":
        hosts = parse(PROJECT, "test", {**config, f"{PROJECT}:tls": "self_signed"}, {}).sites.hosts
        pair = leaf(authority(), hosts)
        (folder / "chain.pem").write_text(pair.pem)
        (folder / "key.pem").write_text(pair.key_pem)
        tls = {**tls, "certificate": str(folder / "chain.pem"), "key": str(folder / "key.pem")}
    return {**config, f"{PROJECT}:tls": tls if isinstance(tls, str) else json.dumps(tls)}


def modes(file: str) -> Iterable[str]:
    """Those that the stack file's sites can have."""
    named = any(key.endswith((":domain", ":domains")) for key in stack_file(ROOT / file))
    return MODES if named else ("self_signed", "files")


def addresses(graph: Graph) -> dict[str, set[str]]:
    """What stands in any input of any resource and in any output, and where."""
    places: dict[str, set[str]] = {}
    inputs = [(resource.name, resource.inputs) for resource in graph.resources]
    for place, value in [*inputs, *((f"output {name}", value) for name, value in graph.outputs.items())]:
        for text in texts(value):
            for url in URL.findall(text):
                places.setdefault(url, set()).add(place)
    return places


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def host(url: str) -> str | None:
    return urlsplit(re.sub(r"[\\$*{].*", "", url)).hostname  # of a pattern, or with a variable of NGINX's


@pytest.mark.parametrize(("file", "mode"), [(file, mode) for file in FILES for mode in modes(file)])
def test_where_a_stack_has_https_no_public_address_is_http_anywhere(file: str, mode: str, tmp_path: Path):
    config = configured(file, mode, tmp_path)
    settings = parse(PROJECT, "test", config, {})
    found = addresses(declare(config, stack="test"))
    public = {url: places for url, places in found.items() if host(url) in settings.sites.hosts}
    administration = f"localhost:{settings.ports.admin_keycloak}"  # on loopback, which may be called as the sites are
    plain = {url for url in public if not url.startswith("https://")}
    assert {url for url in plain if urlsplit(url).netloc != administration} == set()
    for site in (settings.sites.mlflow, settings.sites.login, settings.sites.s3, settings.sites.console):
        told = {place for url, places in public.items() if url.startswith(site.url) for place in places}
        assert len(told) > 2, site.url  # an output, a container, a client of Keycloak's


def test_where_a_stack_has_none_no_public_address_is_https_anywhere(dev: Graph):
    settings = parse(PROJECT, "dev", DEV, {})
    public = {url for url in addresses(dev) if host(url) in settings.sites.hosts}
    assert len(public) > 8
    assert {url for url in public if url.startswith("https://")} == set()
