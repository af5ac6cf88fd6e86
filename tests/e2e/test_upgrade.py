"""From the versions of the first whole stack to those of today: nothing is lost, and nothing is served by halves."""

from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from tests.e2e.conftest import Platform
from tests.e2e.stack import Stack
from tests.e2e.versions import Versions

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(2400)]
COUNTS = "select format('select %L, count(*) from %I', tablename, tablename) from pg_tables where schemaname = 'public'"
PEOPLE = ("credential", "keycloak_group", "user_entity", "user_group_membership")  # tables whose rows no version makes
LOADING = "load the databases into volume"


@dataclass
class Upgraded:
    stack: Stack
    versions: Versions
    run: str

    @property
    def platform(self) -> Platform:
        return Platform(self.stack, self.stack.outputs())

    def images(self) -> dict[str, str]:
        """What runs: the image of each container, and the container."""
        return {str(found.name): f"{found.attrs['Image']} {found.id}" for found in self.stack.containers()}

    def counts(self) -> dict[str, str]:
        """Rows of each table: of people in Keycloak, of everything in MLflow, but for its sessions."""
        found = {}
        for database in ("keycloak", "mlflow", "mlflow_auth"):
            script = f"printf '%s\\\\gexec\\n' \"{COUNTS}\" | psql -U postgres -d {database} -At"
            for line in self.stack.run("postgres", ["sh", "-c", script]).splitlines():
                table, _, rows = line.partition("|")
                if table in PEOPLE or (database != "keycloak" and "session" not in table):
                    found[f"{database}.{table}"] = rows
        return found

    def psql(self, database: str, statement: str) -> str:
        return self.stack.run("postgres", ["psql", "-U", "postgres", "-d", database, "-Atc", statement]).strip()

    def serves(self) -> None:
        """As its users find it: they log in, see their run, and its artifact."""
        platform = self.platform
        token = platform.token("dev")
        found = platform.ask(token, "GET", f"/api/2.0/mlflow/runs/get?run_id={self.run}").json()["run"]
        assert [(metric["key"], metric["value"]) for metric in found["data"]["metrics"]] == [("accuracy", 0.5)]
        bucket, key = place(found["info"]["artifact_uri"])
        assert platform.s3(token).get_object(Bucket=bucket, Key=key)["Body"].read() == b"of before"
        assert platform.ask(platform.token("ada"), "GET", "/api/2.0/mlflow/users/current").status_code == 200


def place(artifact_uri: str) -> tuple[str, str]:
    bucket, _, folder = artifact_uri.removeprefix("s3://").partition("/")
    return bucket, f"{folder}/note.txt"


@pytest.fixture(scope="module")
def old(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """A stack of old versions, with a run in it."""
    stack = Stack(tmp_path_factory.mktemp("upgrade"))
    try:
        versions = Versions(stack)
        versions.take(
            postgres=("images/postgres-16", "16"),
            keycloak=("images/keycloak", "26.4.7"),
            minio=versions.first_minio(),
            mlflow=versions.mlflow("3.17.0"),
        )
        done = stack.platform("up")
        assert done.returncode == 0, done.stderr
        platform = Platform(stack, stack.outputs())
        token = platform.token("dev")
        made = platform.ask(token, "POST", "/api/2.0/mlflow/experiments/create", json={"name": "of before"})
        run = {"experiment_id": made.json()["experiment_id"], "run_name": "of before", "start_time": 1}
        info = platform.ask(token, "POST", "/api/2.0/mlflow/runs/create", json=run).json()["run"]["info"]
        metric = {"run_id": info["run_id"], "key": "accuracy", "value": 0.5, "timestamp": 1}
        assert platform.ask(token, "POST", "/api/2.0/mlflow/runs/log-metric", json=metric).status_code == 200
        bucket, key = place(info["artifact_uri"])
        platform.s3(token).put_object(Bucket=bucket, Key=key, Body=b"of before")
        yield Upgraded(stack, versions, info["run_id"])
    finally:
        destroyed = stack.platform("destroy", "--yes", "--delete-data")
        left = stack.clear()
    assert (destroyed.returncode, left) == (0, []), destroyed.stderr


def test_a_trial_that_fails_leaves_the_old_versions_serving_and_one_sentence_says_why(old: Upgraded):
    before, counts = old.images(), old.counts()
    schema = old.psql("mlflow", "select version_num from alembic_version")
    old.psql("mlflow", "update alembic_version set version_num = 'of-no-mlflow'")
    old.versions.take()

    refused = old.stack.platform("up")

    old.psql("mlflow", f"update alembic_version set version_num = '{schema}'")
    assert refused.returncode == 1
    said = refused.stderr.splitlines()[-1]
    assert "PostgreSQL 16, Keycloak 26.4.7, MLflow 3.17.0, MinIO " in said and "serves on, with all data" in said
    assert "Can't locate revision identified by 'of-no-mlflow'" in said and "upgrade-mlflow.log" in said
    assert (old.images(), old.counts()) == (before, counts)
    old.serves()
    assert not [thing for thing in volumes(old.stack) if "upgrade" in thing]


def test_a_launcher_that_is_killed_while_it_loads_is_gone_on_with_and_nothing_is_lost(old: Upgraded):
    counts, names = old.counts(), volumes(old.stack)
    old.versions.take()
    old.stack.killed_at(LOADING, "up")
    assert old.psql("mlflow", "show server_version").startswith("16.")

    done = old.stack.platform("up")

    assert done.returncode == 0, done.stderr
    assert f"volume mlflow-{old.stack.name}-postgres-16" in done.stderr
    assert old.psql("mlflow", "show server_version").startswith("17.")
    assert old.counts().items() >= {name: rows for name, rows in counts.items() if "attempt" not in name}.items()
    old.serves()
    assert volumes(old.stack) == names | {f"mlflow-{old.stack.name}-postgres"}
    assert set(old.stack.refresh()) == set(old.stack.preview()) == {"same"}


def test_a_step_back_takes_more_than_a_line(old: Upgraded):
    before = old.images()
    old.versions.take(postgres=("images/postgres-16", "16"))
    refused = old.stack.platform("up")
    old.versions.take()
    assert refused.returncode == 1
    assert "without what was written since" in refused.stderr and "--accept-loss" in refused.stderr
    assert old.images() == before
    assert old.stack.platform("up").returncode == 0


def test_what_fails_after_the_switch_goes_back_to_the_data_of_before_with_the_line_of_before(old: Upgraded):
    counts = old.counts()
    old.versions.take(mlflow=old.versions.broken_mlflow())

    failed = old.stack.platform("up")

    assert failed.returncode == 1
    assert "with the versions of before in components/images.py" in failed.stderr
    assert "mlflow_auth.of_a_broken_version" in old.counts()
    old.versions.take()
    done = old.stack.platform("up")
    assert done.returncode == 0, done.stderr
    assert old.counts().keys() == counts.keys()
    old.serves()


def test_the_volume_of_the_version_before_can_be_removed(old: Upgraded):
    docker.from_env().volumes.get(f"mlflow-{old.stack.name}-postgres-16").remove()
    assert set(old.stack.refresh()) == set(old.stack.preview()) == {"same"}
    assert old.stack.platform("up").returncode == 0
    old.serves()


def volumes(stack: Stack) -> set[str]:
    label = {"label": f"mlflow-platform.stack={stack.name}"}
    return {str(volume.name) for volume in docker.from_env().volumes.list(filters=label)}
