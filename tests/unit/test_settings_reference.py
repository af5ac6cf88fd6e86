"""What people and editors are told of the settings is what the program takes."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from components.settings import reference

from .graph import ROOT
from .test_settings import cases

# What one key means for another, names that are taken, and addresses: the program alone knows.
PROGRAM_ALONE = {
    "backup-by-default-on-the-machine-of-a-domain",
    "backup-on-the-machine-of-a-domain",
    "access-token-outlives-an-idle-session",
    "acme-without-domain",
    "bucket-is-minios-own",
    "dev-user-is-a-service-client",
    "directory-filter-of-two",
    "directory-filter-without-its-end",
    "directory-filter-without-parentheses",
    "directory-group-of-no-team",
    "directory-groups-nowhere",
    "directory-in-the-clear-over-the-internet",
    "directory-ldaps-with-starttls",
    "directory-with-one-server-in-the-clear",
    "domain-and-a-sites-port",
    "domain-and-host",
    "domains-lack-some",
    "domains-lead-to-one-name",
    "duplicate-port",
    "listen-is-a-name",
    "listen-where-nobody-reaches-the-host",
    "member-nobody-knows",
    "member-with-no-dev-users",
    "prefix-newline",  # editors' regular expressions do see it; only Python's `$` passes a newline at the end
    "proxy-network-with-host-bits",
    "provider-group-of-no-team",
    "proxy-without-domain",
    "public-address-without-tls",
    "public-domain-without-tls",
    "public-host-without-tls",
    "second-factor-beside-a-password-alone",
    "service-client-is-keycloaks",
    "service-client-is-mlflows",
    "service-client-of-no-team",
    "session-idle-longer-than-the-session",
    "shared-ports-are-one",
    "smtp-in-the-clear-over-the-internet",
    "smtp-starttls-over-the-internet",
    "smtp-user-without-password",
    "team-in-no-workspace",
    "team-of-an-unknown-workspace",
    "team-of-workspaces-without-workspaces",
    "team-whose-prefix-is-a-workspace",
    "team-whose-storage-reaches-all-workspaces",
    "team-with-a-canned-policy-in-a-workspace",
    "team-without-storage",
    "workspace-is-a-part-of-addresses",
    "workspaces-name-one-twice",
}


@pytest.fixture(scope="module")
def editor() -> Draft202012Validator:
    written = json.loads((ROOT / "docs" / "settings.schema.json").read_text())
    Draft202012Validator.check_schema(written)
    return Draft202012Validator(written)


def test_page_and_schema_are_those_of_the_tree():
    hint = "run .venv/bin/python -m components.settings.reference"
    assert (ROOT / "docs" / "settings.md").read_text() == reference.page(), hint
    assert json.loads((ROOT / "docs" / "settings.schema.json").read_text()) == reference.schema(), hint


@pytest.mark.parametrize("path", [*cases("good"), *ROOT.glob("Pulumi.*.yaml")], ids=lambda path: path.stem)
def test_an_editor_finds_nothing_wrong_with_a_good_stack_file(path: Path, editor: Draft202012Validator):
    editor.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", cases("bad"), ids=lambda path: path.stem)
def test_an_editor_shows_what_is_wrong_with_a_bad_one(path: Path, editor: Draft202012Validator):
    assert editor.is_valid(yaml.safe_load(path.read_text())) == (path.stem in PROGRAM_ALONE)


def test_the_stack_files_tell_editors_of_the_schema():
    for file in ROOT.glob("Pulumi.*.yaml"):
        assert file.read_text().startswith("# yaml-language-server: $schema=docs/settings.schema.json\n"), file.name
