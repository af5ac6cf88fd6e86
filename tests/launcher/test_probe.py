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
from tests.launcher.deployment import container


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


def reached(programs: Callable[[str, str], Path], tmp_path: Path, body: str) -> None:
    """A docker in which the two containers are well, and MLflow's says this of what it reaches."""
    labels = "mlflow-platform.prefix=p,mlflow-platform.stack=dev"
    lines = [
        json.dumps({"ID": f"id-of-{name}", "Names": name, "State": "running", "Status": "Up", "Labels": labels})
        for name in ("mlflow", "minio-1")
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
