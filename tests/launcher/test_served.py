"""The certificates that sites serve: what is said of each, and which of them make a status red."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launcher import cli, inventory, status
from launcher.console import Failure
from launcher.paths import Paths
from launcher.served import Certificate, certificates, trouble, until_issued
from launcher.state import State
from tests.authority import LIFE, Pair, authority, leaf
from tests.launcher.https_sites import NAMES, Site, https_site, sites, stack

PYTHON = Path(sys.executable)
DOMAIN = "platform.localhost"
HOSTS = [f"{name}.{DOMAIN}" for name in NAMES]
Programs = Callable[[str, str], Path]


def now(later: timedelta = timedelta()) -> datetime:
    return datetime.now(UTC) + later


@pytest.fixture(scope="module")
def issuer() -> Pair:
    return authority()


@pytest.fixture(scope="module")
def site(issuer: Pair) -> Iterator[Site]:
    with https_site(leaf(issuer, HOSTS)) as found:
        yield found


def judged(pair: Pair, url: str, at: datetime | None = None) -> Certificate:
    """What is said of a certificate at an address whose port is to be filled in."""
    with https_site(pair) as site:
        state = stack({"mlflow_tracking_uri": url.format(port=site.port)}, site.port)
        (found,) = certificates(state, PYTHON, at or now())
    return found


def test_each_site_has_an_issuer_the_names_and_the_time_that_is_left(site: Site):
    found = certificates(stack(sites(DOMAIN, site.port), site.port), PYTHON, now())
    assert [certificate.site for certificate in found] == [f"{host}:{site.port}" for host in HOSTS]
    for certificate, host in zip(found, HOSTS, strict=True):
        assert (certificate.state, certificate.wrong, certificate.issuer) == ("well", None, "authority of a test")
        assert certificate.names[0] == host  # the one by which it is this site's
        assert set(certificate.names) == set(HOSTS)
        assert certificate.left(now()) == "47 h"
    assert found[0].left(now(-timedelta(days=10))) == "11 days"
    assert found[0].left(now(LIFE - timedelta(minutes=5, seconds=30))) == "5 min"


def test_it_is_old_in_the_last_third_of_its_life_however_long_that_is(issuer: Pair):
    for life in (LIFE, timedelta(days=90)):
        pair = leaf(issuer, HOSTS, life=life)
        young = judged(pair, f"https://mlflow.{DOMAIN}:{{port}}", now(life * 0.65))
        old = judged(pair, f"https://mlflow.{DOMAIN}:{{port}}", now(life * 0.68))
        assert (young.state, young.wrong, old.state) == ("well", None, "old")
        assert old.wrong and "should have been renewed" in old.wrong


def test_it_is_told_when_it_expired_or_begins(issuer: Pair):
    pair = leaf(issuer, HOSTS, since=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), life=timedelta(days=1))
    expired = judged(pair, f"https://mlflow.{DOMAIN}:{{port}}")
    assert (expired.state, expired.left(now())) == ("expired", "-")
    assert expired.wrong == "has a certificate that has expired on 2026-01-03 03:04 UTC"
    early = judged(leaf(issuer, HOSTS), f"https://mlflow.{DOMAIN}:{{port}}", now(-timedelta(days=1)))
    assert early.state == "too early"


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["*.ml.example.org"], "mlflow.ml.example.org"),
        (["MLflow.ml.Example.org"], "mlflow.ml.example.org"),
        (["10.0.0.5"], "10.0.0.5"),
    ],
)
def test_a_name_covers_a_site_as_browsers_see_it(issuer: Pair, names: list[str], host: str):
    assert judged(leaf(issuer, names), f"https://{host}:{{port}}").state == "well"


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["login.ml.example.org"], "mlflow.ml.example.org"),
        (["*.example.org"], "mlflow.ml.example.org"),
        (["*.0.0.5"], "10.0.0.5"),
    ],
)
def test_another_name_is_told(issuer: Pair, names: list[str], host: str):
    found = judged(leaf(issuer, names), f"https://{host}:{{port}}")
    assert (found.state, found.wrong) == ("other name", f"has a certificate for {names[0]}")


def test_a_certificate_without_names_is_for_nobody():
    found = judged(authority("mlflow.ml.example.org"), "https://mlflow.ml.example.org:{port}")
    assert (found.state, found.wrong) == ("other name", "has a certificate for no name")


def test_where_nothing_is_served_that_is_said_and_the_others_are_shown(site: Site):
    outputs = {**sites(DOMAIN, site.port), "s3_endpoint_url": f"https://s3.{DOMAIN}:9"}
    found = certificates(stack(outputs, site.port, 9), PYTHON, now())
    assert [certificate.state for certificate in found] == ["well", "well", "none", "well"]
    assert found[2].wrong and found[2].wrong.startswith("serves no certificate (")
    assert found[2].left(now()) == "-"


@pytest.mark.parametrize(
    "state",
    [
        stack({"mlflow_tracking_uri": "http://localhost:9"}, 9),
        stack({"mlflow_tracking_uri": "https://mlflow.example.org"}, 80),
        stack({}, 80),
    ],
    ids=["over http", "behind a load balancer", "no outputs"],
)
def test_where_the_stack_serves_none_nothing_is_asked(state: State):
    assert certificates(state, Path("/nowhere/python"), now()) == []


def test_without_the_programs_python_it_is_said_what_makes_it(site: Site):
    with pytest.raises(Failure, match=r"/nowhere/python, which is missing; ./platform up makes it"):
        certificates(stack(sites(DOMAIN, site.port), site.port), Path("/nowhere/python"), now())


def keeper(programs: Programs, said: str) -> State:
    """A stack with certificates, in whose container `status.json` is this."""
    programs("docker", f"test \"$*\" = 'exec id-of-certificates cat /certificates/served/status.json' && {said}")
    return stack({}, 443, more=("certificates",))


def says(*, issued: bool, error: str | None) -> str:
    status = {"issued": issued, "error": error, "next_attempt": "2026-11-28T10:20:30+00:00", "domains": HOSTS}
    return f"echo '{json.dumps(status)}'"


@pytest.mark.parametrize(
    ("issued", "error", "message"),
    [
        (True, "No certificate: refused.", "No certificate: refused. What is served goes on; the next attempt is at"),
        (
            False,
            "No folder",
            "No folder. What is served goes on; the next attempt is at 2026-11-28 10:20 UTC.",
        ),
        (False, None, "No certificate has been issued yet. What is served goes on; the next attempt is at"),
    ],
)
def test_what_goes_wrong_is_told_and_red_only_while_there_is_no_certificate(
    programs: Programs, issued: bool, error: str | None, message: str
):
    found = trouble(keeper(programs, says(issued=issued, error=error)))
    assert found and found.message.startswith(message)
    assert found.red is not issued


@pytest.mark.parametrize("said", [says(issued=True, error=None), "exit 1", "echo no json"])
def test_a_keeper_that_is_content_or_has_nothing_to_keep_says_nothing(programs: Programs, said: str):
    assert trouble(keeper(programs, said)) is None


def test_a_stack_without_certificates_is_not_asked(programs: Programs, tmp_path: Path):
    programs("docker", f"touch {tmp_path}/asked")
    assert trouble(stack({}, 80)) is None
    assert not (tmp_path / "asked").exists()


def test_a_docker_that_hangs_is_no_traceback(programs: Programs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("launcher.served._ANSWER", 0.05)
    found = trouble(keeper(programs, "exec sleep 5"))
    assert found and not found.red
    assert "p-certificates does not say within 0.2 s how renewals go" in found.message


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, programs: Programs, capsys: pytest.CaptureFixture[str]):
    """Runs `./platform status` on a stack that is well but for certificates; its exit code and all that it prints."""
    monkeypatch.setattr(Paths, "python", PYTHON)
    monkeypatch.setattr(cli, "_show_wrong", lambda _: True)
    monkeypatch.setattr(inventory, "things", lambda: [])
    monkeypatch.setattr(status, "parts", lambda *_: [status.Part("p-gateway", "running", "healthy", "", well=True)])
    programs("docker", "exit 1")

    def run(state: State) -> tuple[int, str]:
        monkeypatch.setattr(cli, "_known", lambda *_: state)
        code = cli.main(["status"])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


Shown = Callable[[State], tuple[int, str]]


def test_a_status_shows_every_sites_certificate_and_is_green_while_all_are_well(shown: Shown, site: Site):
    code, text = shown(stack(sites(DOMAIN, site.port), site.port))
    assert code == 0
    (heading, *rows) = text[text.index("SITE ") :].splitlines()
    assert heading.split() == ["SITE", "CERTIFICATE", "LEFT", "ISSUER", "NAMES"]
    assert [" ".join(row.split()) for row in rows] == [
        f"{host}:{site.port} well 47 h authority of a test {host} and 3 more" for host in HOSTS
    ]


def test_a_status_is_red_for_one_certificate_that_is_not_well(shown: Shown, issuer: Pair):
    for pair in (
        leaf(issuer, HOSTS, since=now(-LIFE * 0.7)),
        leaf(issuer, HOSTS, since=now(-LIFE * 2)),
        leaf(issuer, HOSTS[1:]),
    ):
        with https_site(pair) as other:
            code, text = shown(stack(sites(DOMAIN, other.port), other.port))
        assert code == 1
        assert f" ! mlflow.{DOMAIN}:{other.port} has a certificate " in text
    code, text = shown(stack(sites(DOMAIN, 9), 9))
    assert code == 1
    assert f" ! mlflow.{DOMAIN}:9 serves no certificate" in text


def test_a_status_is_red_until_all_is_issued_and_not_for_a_renewal_that_may_still_succeed(
    shown: Shown, site: Site, programs: Programs
):
    """Sites that an older certificate is good for are well meanwhile."""
    state = stack(sites(DOMAIN, site.port), site.port, more=("certificates",))
    for issued, expected in ((False, 1), (True, 0)):
        programs("docker", says(issued=issued, error="No certificate: refused."))
        code, text = shown(state)
        assert code == expected
        assert "  well  " in text and " ! No certificate: refused. What is served goes on" in text


def test_a_placeholder_is_shown_as_what_it_is(shown: Shown):
    with https_site(leaf(authority("Placeholder until a certificate is issued"), HOSTS)) as placeholder:
        code, text = shown(stack(sites(DOMAIN, placeholder.port), placeholder.port))
    assert code == 1
    assert "  not issued  " in text and "  well  " not in text


@pytest.mark.parametrize("state", [stack({}), stack({"mlflow_tracking_uri": "http://localhost:9"}, 9)])
def test_a_status_without_https_says_nothing_of_certificates(shown: Shown, state: State):
    code, text = shown(state)
    assert code == 0
    assert "CERTIFICATE" not in text


def test_up_waits_for_the_first_certificate_unless_something_speaks_against_it(programs: Programs, tmp_path: Path):
    """What the keeper says changes while it is asked."""
    no, yes = says(issued=False, error=None), says(issued=True, error=None)
    later = f"{{ test -e {tmp_path}/asked && {yes} || {{ touch {tmp_path}/asked; {no}; }}; }}"
    assert until_issued(keeper(programs, later)) is None
    refused = until_issued(keeper(programs, says(issued=False, error="refused")))
    assert refused and refused.red and refused.failed
    pending = until_issued(keeper(programs, no), within=0)
    assert pending and pending.red and not pending.failed
