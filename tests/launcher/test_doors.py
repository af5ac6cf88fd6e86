"""The public addresses as this machine reaches them: whatever DNS, proxies and certificates say."""

from collections.abc import Iterator

import pytest

from launcher.doors import Doors
from tests.anything import ByPath, served_by_path
from tests.authority import Pair, authority, leaf
from tests.launcher.https_sites import Site, https_site, sites, stack


@pytest.fixture(scope="module")
def pair() -> Pair:
    return leaf(authority(), ["*.nowhere.invalid"])


@pytest.fixture
def site(pair: Pair) -> Iterator[Site]:
    with https_site(pair) as found:
        yield found


def doors(site: Site, ip: str = "127.0.0.1") -> Doors:
    return Doors(stack(sites("nowhere.invalid", site.port), site.port, ip=ip))


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0"])
def test_a_name_that_nobody_resolves_is_asked_at_its_published_port_as_a_browser_would_ask(site: Site, ip: str):
    ByPath.answers = {"/path?a=b": (200, "right")}
    url = f"https://mlflow.nowhere.invalid:{site.port}"
    assert doors(site, ip).get(f"{url}/path?a=b", 5) == (200, b"right")
    assert doors(site, ip).get(url, 5) == (404, b"")
    assert (site.names[-1], site.hosts[-1]) == ("mlflow.nowhere.invalid", f"mlflow.nowhere.invalid:{site.port}")


def test_a_redirect_is_an_answer_and_no_proxy_stands_between(site: Site, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    ByPath.answers = {"/": (308, "")}
    assert doors(site).get(f"https://mlflow.nowhere.invalid:{site.port}", 5) == (308, b"")


def test_the_certificate_is_what_is_shown_whoever_signed_it_and_for_whomever(site: Site, pair: Pair):
    assert doors(site).certificate(f"https://other.invalid:{site.port}", 5) == pair.pem
    assert site.names == ["other.invalid"]


def test_a_site_without_tls_is_asked_without():
    with served_by_path() as url:
        ByPath.answers = {"/": (200, "right")}
        assert Doors(stack({"mlflow_tracking_uri": url})).get(url, 5) == (200, b"right")


def test_where_nothing_listens_or_nothing_speaks_tls_there_is_no_answer(site: Site):
    nothing = Doors(stack({}, 9))
    with served_by_path() as plain:
        for url in ("https://a.invalid:9", plain.replace("http:", "https:")):
            with pytest.raises(OSError):
                nothing.get(url, 5)
            with pytest.raises(OSError):
                nothing.certificate(url, 5)
    with pytest.raises(ValueError):
        doors(site).get(f"https://a..b:{site.port}", 5)  # a host that the settings allow, and no name


def test_each_published_port_is_found_at_the_address_that_it_is_published_on():
    assert Doors(stack({}, 80, 443, ip="0.0.0.0")).published == {80: "127.0.0.1", 443: "127.0.0.1"}
    assert Doors(stack({}, 443, ip="10.0.0.5")).published == {443: "10.0.0.5"}
    assert Doors(stack({})).published == {}


def test_a_site_at_a_port_that_is_not_the_stacks_is_a_load_balancers():
    behind = Doors(stack({"mlflow_tracking_uri": "https://mlflow.example.org", "s3_endpoint_url": "http://s3:80"}, 80))
    assert behind.elsewhere == ["https://mlflow.example.org"]
    assert Doors(stack({"mlflow_tracking_uri": "https://mlflow.example.org"}, 80, 443)).elsewhere == []
    assert Doors(stack({"mlflow_tracking_uri": "http://localhost:5000"}, 80)).elsewhere == []


def test_a_stack_without_outputs_has_no_sites():
    assert Doors(stack({})).urls == []


@pytest.mark.parametrize(("domain", "known"), [("nowhere.invalid", False), ("any.localhost", True)])
def test_names_that_lead_nowhere_from_here_are_told(domain: str, known: bool):
    unnamed = Doors(stack(sites(domain, 1), 1)).unnamed
    assert (unnamed == []) == known
    assert known or "mlflow.nowhere.invalid" in unnamed
