"""What `up` asks at its end, and what it says of an answer that is not as it should be."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher import probe
from launcher.console import Failure
from launcher.state import State
from tests.anything import ByPath, served_by_path
from tests.authority import authority, leaf
from tests.launcher.deployment import container
from tests.launcher.https_sites import NAMES, https_site, sites, stack


@pytest.fixture
def gateway() -> Iterator[str]:
    """What answers as the gateway does, as far as the probe asks."""
    with served_by_path() as url:
        ByPath.answers = {
            "/health": (200, "OK"),
            "/realms/mlflow/.well-known/openid-configuration": (200, json.dumps({"issuer": f"{url}/realms/mlflow"})),
            "/mlflow/": (403, "<Code>AccessDenied</Code>"),
            "/api/v1/login": (200, '{"redirectRules": [{}]}'),
        }
        yield url


def with_outputs(url: str) -> State:
    outputs = {
        "mlflow_tracking_uri": url,
        "keycloak_url": url,
        "oidc_issuer_url": f"{url}/realms/mlflow",
        "s3_endpoint_url": url,
        "artifact_bucket": "mlflow",
        "minio_console_url": url,
    }
    stack = {"urn": "u", "type": "pulumi:pulumi:Stack", "outputs": outputs}
    return State({"resources": [stack, container("mlflow"), container("minio-1")]})


def reached(programs: Callable[[str, str], Path], tmp_path: Path, body: str, *containers: str) -> None:
    """A docker in which the containers (two unless they are named) are well, and MLflow's says what it reaches."""
    labels = "mlflow-platform.prefix=p,mlflow-platform.stack=dev"
    lines = [
        json.dumps({"ID": f"id-of-{name}", "Names": name, "State": "running", "Status": "Up", "Labels": labels})
        for name in containers or ("mlflow", "minio-1")
    ]
    (tmp_path / "ps").write_text("\n".join(lines))
    programs("docker", f'case "$1" in ps) cat {tmp_path}/ps ;; exec) {body} ;; esac')


def test_a_stack_whose_every_address_answers_is_well(gateway: str, programs, tmp_path: Path):
    reached(programs, tmp_path, """echo '{"its bucket": null}'""")
    probe.until_all_answer("dev", with_outputs(gateway), within=0)


@pytest.mark.parametrize(
    ("path", "answer", "sentence"),
    [
        ("/health", (502, ""), r"MLflow \(http://127.* is not well: .*/health .*status 502.*docker logs p-mlflow"),
        ("/api/v1/login", (200, '{"redirectRules": []}'), "MinIO's console .*offers no login by Keycloak"),
        ("/mlflow/", (503, ""), r"S3 \(http.*status 503.*docker logs p-minio-1"),
        ("/realms/mlflow/.well-known/openid-configuration", (200, '{"issuer": "http://other"}'), "Keycloak.*otherwise"),
    ],
)
def test_an_address_that_does_not_answer_as_it_should_is_named_with_where_to_look(
    gateway: str, programs, tmp_path: Path, path: str, answer: tuple[int, str], sentence: str
):
    reached(programs, tmp_path, """echo '{"its bucket": null}'""")
    ByPath.answers[path] = answer
    with pytest.raises(Failure, match=sentence):
        probe.until_all_answer("dev", with_outputs(gateway), within=0)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("""echo '{"its bucket": "HTTP Error 404"}'""", "MLflow does not reach its bucket: HTTP Error 404"),
        ("echo 'No module named probe' >&2", "cannot be asked what it reaches .No module named probe"),
    ],
)
def test_what_mlflow_itself_does_not_reach_is_named(gateway: str, programs, tmp_path: Path, body: str, sentence: str):
    reached(programs, tmp_path, body)
    with pytest.raises(Failure, match=sentence):
        probe.until_all_answer("dev", with_outputs(gateway), within=0)


def test_nothing_that_listens_is_a_reason_and_what_comes_late_is_waited_for(gateway: str, programs, tmp_path: Path):
    reached(programs, tmp_path, """echo '{"its bucket": null}'""")
    with pytest.raises(Failure, match="does not answer"):
        probe.until_all_answer("dev", with_outputs("http://127.0.0.1:9"), within=0)
    late = ByPath.answers.pop("/health")
    threading.Timer(0.5, lambda: ByPath.answers.update({"/health": late})).start()
    probe.until_all_answer("dev", with_outputs(gateway), within=20)


def test_a_container_that_is_unhealthy_is_named_with_what_docker_will_not_do(gateway: str, programs, tmp_path: Path):
    reached(programs, tmp_path, """echo '{"its bucket": null}'""")
    listed = (tmp_path / "ps").read_text().replace('"Status": "Up"', '"Status": "Up 2 hours (unhealthy)"', 1)
    (tmp_path / "ps").write_text(listed)
    with pytest.raises(Failure, match="mlflow is unhealthy, and Docker's restart policy restarts only what ends"):
        probe.until_all_answer("dev", with_outputs(gateway), within=0)


def https(port: int, domain: str = "nowhere.invalid") -> dict[str, str]:
    """Outputs, and what the sites answer where all is well."""
    outputs = {**sites(domain, port), "artifact_bucket": "mlflow"}
    issuer = f"{outputs['keycloak_url']}/realms/mlflow"
    ByPath.answers = {
        "/health": (200, "OK"),
        "/realms/mlflow/.well-known/openid-configuration": (200, json.dumps({"issuer": issuer})),
        "/mlflow/": (403, "<Code>AccessDenied</Code>"),
        "/api/v1/login": (200, '{"redirectRules": [{}]}'),
    }
    return {**outputs, "oidc_issuer_url": issuer}


@pytest.fixture
def promised(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to be well."""
    said: list[str] = []
    monkeypatch.setattr(probe, "done", said.append)
    return said


def test_sites_are_asked_over_https_though_nobody_resolves_their_names(programs, tmp_path: Path, promised: list[str]):
    reached(programs, tmp_path, """echo '{"its bucket": null}'""", "mlflow", "minio-1", "gateway")
    with https_site(leaf(authority(), ["*.nowhere.invalid"])) as site:
        made = stack(https(site.port), site.port, more=("mlflow", "minio-1"))
        probe.until_all_answer("dev", made, within=0)
        assert {name for name in site.names if name} == {f"{name}.nowhere.invalid" for name in NAMES}
        assert promised[0].startswith("MLflow, Keycloak, S3 and MinIO's console answer; MLflow reaches ")
        ByPath.answers["/health"] = (421, "")
        with pytest.raises(Failure, match=r"MLflow \(https://mlflow\.nowhere\.invalid:.*status 421"):
            probe.until_all_answer("dev", made, within=0)


def test_what_a_load_balancer_answers_is_not_asked_and_not_promised(
    programs, tmp_path: Path, promised: list[str], capsys: pytest.CaptureFixture[str]
):
    reached(programs, tmp_path, """echo '{"its bucket": null}'""", "mlflow", "minio-1", "gateway")
    made = stack(https(443), 80, more=("mlflow", "minio-1"))
    probe.until_all_answer("dev", made, within=0)
    urls = ", ".join(sites("nowhere.invalid", 443).values())
    assert f" ! not asked, since a load balancer answers there: {urls}\n" in capsys.readouterr().err
    assert promised == ["MLflow reaches its databases, bucket and Keycloak's keys"]
    reached(programs, tmp_path, """echo '{"its bucket": "HTTP Error 404"}'""", "mlflow", "minio-1", "gateway")
    with pytest.raises(Failure, match="MLflow does not reach its bucket"):
        probe.until_all_answer("dev", made, within=0)


def test_how_it_fares_is_a_sentence_for_each_thing_that_is_not_had(gateway: str, programs, tmp_path: Path):
    reached(
        programs,
        tmp_path,
        """echo '{"its database": "FATAL: sorry, too many clients already", "its bucket": null}'; exit 1""",
    )
    ByPath.answers["/mlflow/"] = (503, "")
    assert probe.wrong(with_outputs(gateway)) == [
        f"S3 ({gateway}): {gateway}/mlflow/ answers otherwise than it should (status 503)",
        "MLflow's databases, bucket and keys: MLflow does not reach its database: PostgreSQL has no connection "
        "left; pg_stat_activity there says who has them (FATAL: sorry, too many clients already)",
    ]
