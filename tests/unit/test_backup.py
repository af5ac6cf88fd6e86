"""What is declared for backups, by the place they go to, and where their secrets go."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.named_files import NamedFileError

from .graph import DEV, PROJECT, Graph, Resource, declare

S3_FILE = "[default]\naws_access_key_id = OUTSIDE\naws_secret_access_key = outside/secret+key=\n"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlaceholderOfAMachinesOwnKey"
SFTP = {"kind": "sftp", "host": "backup.example.org", "port": 2222, "user": "mlflow", "folder": "/srv/mlflow"}


def with_backup(**settings: Any) -> Graph:
    return declare({**DEV, f"{PROJECT}:backup": json.dumps(settings)})


@pytest.fixture(scope="module")
def folder() -> Graph:
    return with_backup(to={"kind": "folder", "folder": "/mnt/backup"})


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    file = tmp_path_factory.mktemp("s3") / "credentials"
    file.write_text(S3_FILE)
    place = {"kind": "s3", "endpoint": "https://s3.example.org", "bucket": "safe", "folder": "mlflow", "region": "eu-1"}
    return with_backup(to={**place, "credentials": str(file)})


@pytest.fixture(scope="module")
def sftp() -> Graph:
    return with_backup(to={**SFTP, "host_keys": [HOST_KEY]})


@pytest.fixture(scope="module")
def nowhere() -> Graph:
    return with_backup(to="none")


@pytest.fixture(params=["dev", "folder", "s3", "sftp"])
def graph(request: pytest.FixtureRequest) -> Graph:
    return request.getfixturevalue(request.param)


def settings_of(graph: Graph) -> dict[str, Any]:
    return json.loads(graph.upload("backup", "/etc/mlflow-platform/backup.json"))


def secrets_of(graph: Graph) -> dict[str, Any]:
    return json.loads(graph.upload("backup", "/run/secrets/backup.json"))


def about_backup(graph: Graph) -> set[tuple[str, str]]:
    return {(made.token.rpartition(":")[2], made.name) for made in graph.resources if "backup" in made.name}


def mounts(graph: Graph) -> dict[str, Any]:
    volumes = graph.container("backup").inputs["volumes"]
    places = {volume["containerPath"]: volume for volume in volumes if "containerPath" in volume}
    return {path: volume.get("volumeName") or volume.get("hostPath") for path, volume in places.items()}


def test_none_makes_nothing_of_it_and_says_nothing_of_it(nowhere: Graph):
    assert about_backup(nowhere) == set()
    assert not [output for output in nowhere.outputs if "backup" in output]
    assert "backup" not in {image.name for image in nowhere.of(":Image")}


@pytest.mark.parametrize("settings", [{}, {"to": "volume"}, {"to": {"kind": "volume"}}])
def test_a_stack_that_names_no_place_has_a_volume(dev: Graph, settings: dict[str, Any]):
    assert mounts(with_backup(**settings)) == mounts(dev)
    assert mounts(dev) == {"/var/lib/backup": "mlflow-dev-backup", "/place": "mlflow-dev-backup-place"}


def test_each_place_is_mounted_or_reached_as_its_kind_is(folder: Graph, s3: Graph, sftp: Graph):
    assert mounts(folder) == {"/var/lib/backup": "mlflow-dev-backup", "/place": "/mnt/backup"}
    assert mounts(s3) == mounts(sftp) == {"/var/lib/backup": "mlflow-dev-backup"}
    assert settings_of(s3)["place"] == {
        "kind": "s3",
        "name": "https://s3.example.org/safe/mlflow",
        "endpoint": "https://s3.example.org",
        "region": "eu-1",
        "path": "safe/mlflow",
    }
    place = settings_of(sftp)["place"]
    assert (place["host"], place["port"], place["user"], place["path"]) == (
        "backup.example.org",
        2222,
        "mlflow",
        "/srv/mlflow",
    )
    assert sftp.upload("backup", place["known_hosts_file"]) == f"[backup.example.org]:2222 {HOST_KEY}\n"


def test_its_container_has_no_capability_and_no_port_and_reaches_the_servers_alone(graph: Graph):
    backup = graph.container("backup").inputs
    assert (backup["user"], backup["capabilities"]) == ("0:0", {"drops": ["ALL"]})
    assert "ports" not in backup
    assert {network["name"] for network in backup["networksAdvanced"]} == {"mlflow-dev", "mlflow-dev-database"}


def test_only_the_file_with_secrets_has_any(graph: Graph):
    secrets = secrets_of(graph)
    hidden = [secrets["key"], secrets["postgres_password"], secrets["s3_secret_key"], *secrets["place"].values()]
    shown = json.dumps([settings_of(graph), graph.container("backup").inputs])
    assert [secret for secret in hidden if secret in shown] == []
    assert "uploads" in graph.container("backup-files").secret


def test_what_a_place_needs_is_among_the_secrets(dev: Graph, folder: Graph, s3: Graph, sftp: Graph):
    assert secrets_of(dev)["place"] == secrets_of(folder)["place"] == {}
    assert secrets_of(s3)["place"] == {"access_key_id": "OUTSIDE", "secret_access_key": "outside/secret+key="}
    assert secrets_of(sftp)["place"] == {"key_pem": "made-up-key-backup-ssh"}


def test_the_key_is_a_secret_output_and_the_public_key_is_none(dev: Graph, sftp: Graph):
    assert "backup-key" in {made.name for made in dev.of(":RandomPassword")}
    assert dev.outputs["backup_key"] == secrets_of(dev)["key"] == "made-up-backup-key"
    assert "backup_key" in dev.secret_outputs
    assert sftp.outputs["backup_public_key"] == "ssh-ed25519 backup-ssh"
    assert "backup_public_key" not in sftp.secret_outputs | dev.outputs.keys()


def test_a_key_of_ones_own_is_taken_from_its_file_and_not_put_out(tmp_path: Path):
    (tmp_path / "key").write_text("a key of sixteen or more\n")
    graph = with_backup(key=str(tmp_path / "key"))
    assert secrets_of(graph)["key"] == "a key of sixteen or more"
    assert "backup_key" not in graph.outputs
    assert "backup-key" not in {made.name for made in graph.of(":RandomPassword")}
    assert "uploads" in graph.container("backup-files").secret


def test_settings_reach_the_container():
    keep = {"days": 3, "weeks": 0, "months": 1}
    told = settings_of(with_backup(keep=keep, database_seconds=7, artifacts_every=60))
    assert (told["keep"], told["database_seconds"], told["artifacts_every"]) == (keep, 7, 60)
    assert told["databases"] == ["mlflow", "keycloak"]


def backup_role(graph: Graph) -> Resource:
    return graph.the(":Role", "postgres-backup")


def test_its_role_copies_everything_and_changes_nothing(dev: Graph):
    role = backup_role(dev).inputs
    assert role["replication"] and not role.get("superuser")
    assert not [role for role in role["roles"] if "write" in role or "signal" in role or "program" in role]
    grants = [grant.inputs for grant in dev.of(":Grant") if grant.inputs["role"] == "backup"]
    assert {(grant["objectType"], *grant["privileges"]) for grant in grants} == {
        ("database", "CONNECT"),
        ("function", "EXECUTE"),
    }


def test_it_starts_once_it_may_copy(dev: Graph):
    before = dev.before(dev.container("backup"))
    grants = {grant for grant in dev.of(":Grant") if grant.inputs["role"] == "backup"}
    assert grants <= before
    assert len(grants) == 7
    assert backup_role(dev) in before


def test_nobody_but_its_role_may_copy_the_log(dev: Graph):
    rules = dev.upload("postgres", "/etc/mlflow-platform/pg_hba.conf").splitlines()
    assert [rule for rule in rules if "replication" in rule] == ["host replication backup all scram-sha-256"]
    assert not [rule for rule in rules if "trust" in rule]


def refused(**settings: Any) -> str:
    """What is said: one sentence that names key and file."""
    with pytest.raises(NamedFileError) as caught:
        with_backup(**settings)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    "content", ["", "no sections", "[default]\naws_access_key_id = only-this-one", "[other]\na = hush-hush", "[default"]
)
def test_a_credentials_file_without_both_keys_is_refused_and_never_quoted(tmp_path: Path, content: str):
    (tmp_path / "c").write_text(content)
    place = {"kind": "s3", "endpoint": "https://s3.example.org", "bucket": "safe", "credentials": str(tmp_path / "c")}
    said = refused(to=place)
    assert said == (
        f"backup.to.credentials: {tmp_path / 'c'} needs aws_access_key_id and aws_secret_access_key under [default]"
    )


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    place = {"kind": "s3", "endpoint": "https://s3.example.org", "bucket": "safe"}
    said = refused(to={**place, "credentials": str(tmp_path / "no")})
    assert said.startswith(f"backup.to.credentials: cannot read {tmp_path / 'no'} in ")
    assert said.endswith("(No such file or directory)")
    assert refused(key=str(tmp_path)).endswith("(Is a directory)")
    assert refused(key=str(tmp_path / "binary")).endswith("(it is no text)")


@pytest.mark.parametrize("key", ["too short", "sixteen and more\nbut two lines", "sixteen\tand more with tab"])
def test_a_key_that_is_short_or_no_line_is_refused_and_never_quoted(tmp_path: Path, key: str):
    (tmp_path / "key").write_text(key)
    said = refused(key=str(tmp_path / "key"))
    assert "needs one line of at least 16 characters" in said
    assert key not in said
