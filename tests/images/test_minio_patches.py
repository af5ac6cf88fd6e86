"""The patches on MinIO: each says what it closes, and is in the list that operators read."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = sorted((ROOT / "images/minio/patches").iterdir())

each = pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)


def test_they_are_numbered_in_the_order_in_which_they_are_applied():
    assert [int(patch.name[:4]) for patch in PATCHES] == list(range(1, len(PATCHES) + 1))


@each
def test_it_begins_with_a_sentence_about_what_it_closes(patch: Path):
    why, _, changes = patch.read_text().partition("\n\n")
    assert re.fullmatch(r"[A-Z`][^\0]*[.)]", why)
    assert changes.startswith("--- ")


@each
def test_it_is_in_the_table_of_what_is_known_against_each_part(patch: Path):
    assert patch.name.removesuffix(".patch")[:4] in (ROOT / "docs/security.md").read_text()
    for advisory in re.findall(r"CVE-\d+-\d+", patch.read_text().partition("\n\n")[0]):
        assert advisory in (ROOT / "docs/security.md").read_text()
