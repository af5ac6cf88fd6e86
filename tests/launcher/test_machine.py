"""What is made on the machine: engine, images, certificates, Docker, the caches' keys."""

import json
import subprocess
from pathlib import Path

import pytest

from launcher import apt, base_image, browser, certificates, docker_engine, engines, images, toolchain, venv
from launcher.console import Failure
from launcher.paths import Paths


@pytest.fixture
def sdk(paths: Paths) -> Path:
    """An installed SDK that asks for one plugin, and one that asks for none."""
    for name, resource in (("docker", True), ("policy", False)):
        folder = paths.site_packages / f"pulumi_{name}"
        folder.mkdir(parents=True)
        manifest = {"resource": resource, "name": name, "version": "5.2.0"}
        (folder / "pulumi-plugin.json").write_text(json.dumps(manifest))
    return paths.site_packages


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", images.VARIABLE):
        monkeypatch.delenv(name, raising=False)


def authority(folder: Path, name: str) -> str:
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN={name}"
    made = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=True)
    return made.stdout


def test_without_a_cli_the_engine_is_the_offline_one(programs, paths: Paths, sdk: Path):
    assert engines.choose("auto", paths) == ("offline", "no pulumi CLI on PATH")
    with pytest.raises(Failure, match="no pulumi CLI on PATH"):
        engines.choose("official", paths)


def test_with_cli_and_plugins_the_engine_is_the_official_one_unless_asked(programs, paths: Paths, sdk: Path):
    programs("pulumi", """echo '[{"name": "docker", "version": "5.2.0"}]'""")
    assert engines.choose("auto", paths)[0] == "official"
    assert engines.choose("offline", paths) == ("offline", "as asked")


def test_a_plugin_that_can_not_be_had_makes_the_engine_the_offline_one(programs, paths: Paths, sdk: Path):
    programs("pulumi", 'test "$2" = ls && echo "[]"')
    name, reason = engines.choose("auto", paths)
    assert (name, "docker 5.2.0" in reason) == ("offline", True)


def test_the_pulumi_built_here_is_not_taken_for_the_users(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    built = paths.cache / "toolchain" / "key"
    built.mkdir(parents=True)
    (built / "pulumi").write_text("#!/bin/sh\n")
    (built / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{built}:/usr/bin:/bin")
    assert engines.official_cli(paths) is None


@pytest.mark.usefixtures("clean", "sdk")
def test_state_and_passphrase_are_the_checkouts_own_and_private(paths: Paths):
    first, second = (engines.environment(paths, "offline", paths.cache / "toolchain") for _ in range(2))
    passphrase = Path(first["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert first == second
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert len(passphrase.read_text()) >= 32
    assert first["PULUMI_BACKEND_URL"] == f"file://{paths.own}/state"


@pytest.mark.usefixtures("clean", "sdk")
def test_the_users_backend_and_passphrase_are_respected(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "theirs")
    variables = engines.environment(paths, "offline", paths.cache / "toolchain")
    assert not {name for name in variables if "BACKEND" in name or "PASSPHRASE" in name}


@pytest.mark.usefixtures("clean")
def test_each_plugin_runs_its_stand_in_from_a_folder_with_odd_characters(tmp_path: Path):
    odd = Paths(root=tmp_path / "it's a $(place)", cache=tmp_path / "cache")
    (odd.site_packages / "pulumi_docker").mkdir(parents=True)
    manifest = odd.site_packages / "pulumi_docker" / "pulumi-plugin.json"
    manifest.write_text('{"resource": true, "name": "docker", "version": "5.2.0"}')
    odd.python.parent.mkdir(parents=True, exist_ok=True)
    odd.python.write_text('#!/bin/sh\necho "$PYTHONPATH" "$@"\n')
    odd.python.chmod(0o755)
    home = Path(engines.environment(odd, "offline", tmp_path)["PULUMI_HOME"])
    script = home / "plugins" / "resource-docker-v5.2.0" / "pulumi-resource-docker"
    said = subprocess.run([script, "127.0.0.1:1"], capture_output=True, text=True, check=True).stdout.strip()
    assert said == f"{odd.root} -m offline.providers.docker 127.0.0.1:1"


@pytest.mark.usefixtures("clean")
def test_the_official_engine_keeps_the_users_pulumi_home(paths: Paths):
    assert "PULUMI_HOME" not in engines.environment(paths, "official", None)


@pytest.mark.usefixtures("clean")
def test_images_are_local_where_no_registry_answers_and_the_choice_stays(programs, paths: Paths):
    programs("docker", "exit 1")
    assert images.mode(paths, "dev")[0] == "local"
    programs("docker", "exit 0")
    assert images.mode(paths, "dev")[0] == "registry"
    images.remember(paths, "dev", "local")
    assert images.mode(paths, "dev")[0] == "local"
    images.forget(paths, "dev")
    assert images.mode(paths, "dev")[0] == "registry"


def test_the_users_choice_of_images_is_respected_or_refused(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(images.VARIABLE, "registry")
    assert images.mode(paths, "dev")[0] == "registry"
    monkeypatch.setenv(images.VARIABLE, "remote")
    with pytest.raises(Failure, match="MLFLOW_PLATFORM_IMAGES=remote is not one of registry, local"):
        images.mode(paths, "dev")


def test_only_certificates_that_the_owner_added_go_into_the_image(tmp_path: Path):
    shipped, company = authority(tmp_path, "shipped"), authority(tmp_path, "company")
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "a.crt").write_text(shipped)
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(f"# comment\n{shipped}\n{company}\n{company}")
    assert certificates.added(bundle, tmp_path / "shipped") == [company.strip()]
    assert certificates.added(tmp_path / "none", tmp_path / "shipped") == []


def test_an_image_of_another_recipe_is_not_taken_for_the_base(programs, monkeypatch: pytest.MonkeyPatch, paths: Paths):
    monkeypatch.setattr(certificates, "added", lambda: [])
    monkeypatch.setattr(apt, "mirrors", lambda: ("http://mirror.example/debian", None))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    programs("docker", "echo another-key")
    with pytest.raises(Failure, match="only root may run"):
        base_image.ensure(paths, install=False)


def test_the_base_image_comes_from_the_machines_own_mirrors(programs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    targets = ["other main http://other.example", "bookworm main http://near.example/debian"]
    targets += ["bookworm main http://far.example/debian", "bookworm-security main http://near.example/security"]
    programs("apt-get", "\n".join(f"echo {target}" for target in targets))
    assert apt.mirrors() == ("http://near.example/debian", "http://near.example/security")


def test_a_machine_without_a_debian_archive_is_told_so(programs):
    programs("apt-get", "true")
    with pytest.raises(Failure, match="apt knows no Debian archive"):
        apt.mirrors()


def test_a_daemon_that_answers_is_used(programs, paths: Paths):
    programs("docker", "echo 20.10.24")
    docker_engine.ensure(paths, install=False)


def test_without_docker_nothing_is_installed_when_that_is_forbidden(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(Failure, match=r"--no-install forbids installing; install it first: apt-get install docker\.io"):
        docker_engine.ensure(paths, install=False)


def test_without_docker_and_root_the_remedy_is_named(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Failure, match="run ./platform as root"):
        docker_engine.ensure(paths, install=True)


def test_a_daemon_named_by_the_user_that_does_not_answer_is_an_error(programs, paths: Paths, monkeypatch):
    programs("docker", "exit 1")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(Failure, match="DOCKER_HOST=tcp://10.0.0.1:2375"):
        docker_engine.ensure(paths, install=True)


def test_on_another_distribution_the_packages_are_named(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="no Debian that could install it; install the equivalent of: docker.io"):
        apt.install(paths, ["docker.io"], why="Docker is not installed", allowed=True)


def test_the_tests_browser_is_installed_where_there_is_none(paths: Paths, programs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(programs("apt-get", f'echo "$@" >> {paths.own}/calls').parent))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(Failure, match="Chromium.*--no-install.*apt-get install chromium libnss3-tools"):
        browser.ensure(paths, install=False)
    browser.ensure(paths, install=True)
    assert (paths.own / "calls").read_text().splitlines()[-1].endswith(" chromium libnss3-tools")
    programs("chromium", "true")
    with pytest.raises(Failure, match="apt-get install libnss3-tools$"):  # what an earlier run left out
        browser.ensure(paths, install=False)
    programs("certutil", "true")
    browser.ensure(paths, install=False)


def test_go_is_asked_for_its_own_version(programs):
    assert toolchain.go_version(str(programs("go", "echo go1.25.11"))) == (1, 25, 11)
    assert toolchain.go_version("/no/such/go") == ()


def test_every_module_of_the_toolchain_names_its_program():
    modules = Path(__file__).resolve().parents[2] / "offline" / "toolchain"
    assert toolchain.tool(modules / "cli" / "go.mod").endswith("/cmd/pulumi")
    assert toolchain.tool(modules / "language-host" / "go.mod").endswith("/pulumi-language-python")


def test_a_lock_file_is_installed_once(programs, paths: Paths):
    lock = paths.root / "requirements" / "platform.txt"
    lock.parent.mkdir()
    lock.write_text("pulumi==1\n")
    paths.python.parent.mkdir(parents=True)
    calls = paths.own / "pip-calls"
    paths.python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    paths.python.chmod(0o755)
    for _ in range(2):
        venv.fill(paths, "platform")
    assert len(calls.read_text().splitlines()) == 1
    lock.write_text("pulumi==2\n")
    venv.fill(paths, "platform")
    assert len(calls.read_text().splitlines()) == 2


def test_the_client_is_installed_again_when_its_entry_points_may_have_changed(programs, paths: Paths):
    project = paths.root / "plugin" / "pyproject.toml"
    project.parent.mkdir()
    paths.python.parent.mkdir(parents=True)
    calls = paths.own / "pip-calls"
    paths.python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    paths.python.chmod(0o755)
    for content, times in (("first", 1), ("first", 1), ("second", 2)):
        project.write_text(content)
        venv.add_client(paths)
        assert len(calls.read_text().splitlines()) == times
    assert calls.read_text().split()[-1] == str(project.parent)
