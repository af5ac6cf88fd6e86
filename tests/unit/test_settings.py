"""What a stack file may say, and what a person reads when it says something else."""

import contextvars
from pathlib import Path

import pulumi
import pytest
import yaml

from components.settings import Settings, SettingsError, load, parse

from .graph import DEV, PROJECT, ROOT, Servers, declare, stack_file

CASES = Path(__file__).parent / "settings"
LEAST = stack_file(CASES / "good" / "least.yaml")


def cases(kind: str) -> list[Path]:
    return sorted((CASES / kind).glob("*.yaml"))


def read(path: Path) -> Settings:
    return parse(PROJECT, "dev", stack_file(path), {})


def complaint(config: dict[str, str], environment: dict[str, str], stack: str = "dev") -> str:
    with pytest.raises(SettingsError) as raised:
        parse(PROJECT, stack, config, environment)
    return str(raised.value)


@pytest.mark.parametrize("path", cases("good"), ids=lambda path: path.stem)
def test_a_good_stack_file_is_taken(path: Path):
    read(path)


@pytest.mark.parametrize("path", cases("bad"), ids=lambda path: path.stem)
def test_a_bad_stack_file_is_refused_naming_key_value_and_what_is_allowed(path: Path):
    expected = yaml.safe_load(path.read_text())["expect"]
    with pytest.raises(SettingsError) as raised:
        read(path)
    message = str(raised.value)
    assert "Pulumi.dev.yaml" in message
    assert [part for part in expected if str(part) not in message] == [], message


def test_every_wrong_key_is_named_at_once():
    message = complaint({f"{PROJECT}:prefx": "a", f"{PROJECT}:ports": '{"s3": 0}'}, {})
    assert [f"{PROJECT}:{key}: " in message for key in ("prefx", "ports.s3", "teams")] == [True] * 3


def test_the_files_with_every_key_have_every_key():
    given = [key for path in (CASES / "good").glob("all-keys*.yaml") for key in stack_file(path)]
    assert {key.removeprefix(f"{PROJECT}:") for key in given} == set(Settings.model_fields)


def test_text_that_looks_like_something_else_stays_text():
    settings = read(CASES / "good" / "names-like-numbers.yaml")
    assert (settings.prefix, settings.host, settings.keep_data) == ("123", "true", False)
    assert (settings.storage.bucket, settings.dev_users) == ("2024", ("42", "null"))


def test_data_is_kept_unless_a_stack_says_otherwise():
    assert parse(PROJECT, "prod", LEAST, {}).keep_data


@pytest.mark.parametrize(
    ("said", "listens_on"),
    [
        ({}, "127.0.0.1"),
        ({"host": "mlflow.localhost"}, "127.0.0.1"),
        ({"host": "127.0.0.2"}, "127.0.0.1"),
        ({"domain": "ml.localhost", "keep_data": "false"}, "127.0.0.1"),
        ({"host": "10.0.0.5"}, "0.0.0.0"),
        ({"host": "mlflow.internal"}, "0.0.0.0"),
        ({"host": "mlflow.internal", "listen": "127.0.0.1"}, "127.0.0.1"),
        ({"host": "10.0.0.5", "listen": "10.0.0.5"}, "10.0.0.5"),
    ],
)
def test_the_public_ports_are_on_loopback_where_the_names_lead_to_and_else_on_all_addresses(
    said: dict[str, str], listens_on: str
):
    config = {**LEAST, **{f"{PROJECT}:{key}": value for key, value in said.items()}}
    assert parse(PROJECT, "prod", config, {}).listen_on == listens_on


@pytest.mark.parametrize("address", ["100.64.0.5", "203.0.113.7", "8.8.8.8", "198.18.0.1", "224.0.0.1"])
def test_over_http_there_are_no_addresses_but_those_that_keycloak_lets(address: str):
    assert "tls is none" in complaint({**LEAST, f"{PROJECT}:host": address}, {})


def test_the_prefix_comes_from_the_stacks_name():
    assert parse(PROJECT, "Prod", LEAST, {}).prefix == "mlflow-prod"


def test_a_stacks_name_that_makes_no_prefix_is_named_as_the_cause():
    message = complaint(LEAST, {}, stack="my_stack")
    assert "mlflow-my_stack" in message
    assert f"{PROJECT}:prefix (made from the stack's name)" in message


def test_images_come_from_the_environment_where_the_stack_does_not_say():
    assert parse(PROJECT, "dev", LEAST, {}).images == "registry"
    assert parse(PROJECT, "dev", LEAST, {"MLFLOW_PLATFORM_IMAGES": "local"}).images == "local"


def test_an_empty_variable_is_as_good_as_none():
    assert parse(PROJECT, "dev", LEAST, {"MLFLOW_PLATFORM_IMAGES": ""}).images == "registry"


def test_what_the_stack_says_of_images_goes_before_the_environment():
    said = {**LEAST, f"{PROJECT}:images": "local"}
    assert parse(PROJECT, "dev", said, {"MLFLOW_PLATFORM_IMAGES": "nonsense"}).images == "local"


def test_a_wrong_variable_is_named_with_its_value():
    message = complaint(LEAST, {"MLFLOW_PLATFORM_IMAGES": "docker"})
    assert f"{PROJECT}:images (from the variable MLFLOW_PLATFORM_IMAGES)" in message
    assert "'registry' or 'local', but it is 'docker'" in message


@pytest.mark.parametrize("key", ["prefix", "password"])
def test_an_encrypted_value_is_refused_and_never_shown(key: str):
    config = {**LEAST, f"{PROJECT}:{key}": "Top Secret!"}
    with pytest.raises(SettingsError) as raised:
        parse(PROJECT, "dev", config, {}, encrypted={f"{PROJECT}:{key}", "docker:password"})
    assert f"{PROJECT}:{key}: is encrypted" in str(raised.value)
    assert "Top Secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_unknown_keys_value_is_not_shown_for_it_may_be_a_password():
    assert "hunter2" not in complaint({**LEAST, f"{PROJECT}:password": "hunter2"}, {})


def test_a_wrong_key_fails_the_program_before_it_registers_anything():
    with pytest.raises(SettingsError, match=f"{PROJECT}:prefx: unknown key"):
        declare({**DEV, f"{PROJECT}:prefx": "x"})


def test_the_program_knows_which_of_its_settings_are_encrypted():
    def program():
        pulumi.runtime.set_mocks(Servers(), project=PROJECT)
        pulumi.runtime.set_all_config({**DEV, f"{PROJECT}:host": "Top Secret!"}, secret_keys=[f"{PROJECT}:host"])
        load()

    with pytest.raises(SettingsError, match=f"{PROJECT}:host: is encrypted"):
        contextvars.Context().run(program)


@pytest.mark.parametrize("file", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_a_stack_file_carries_no_checkouts_salt(file: Path):
    assert "encryptionsalt" not in file.read_text()  # with another checkout's passphrase the stack could not be opened


def test_of_a_list_whose_only_item_is_wrong_the_item_alone_is_complained_about():
    with pytest.raises(SettingsError) as raised:
        read(CASES / "bad" / "backup-sftp-host-key-with-its-name.yaml")
    assert "at least 1" not in str(raised.value)
