"""The files that a stack file names, which go into its backup."""

from components.settings import parse
from launcher.named_files import files

from .graph import PROJECT, stack_file
from .test_settings import CASES


def test_every_file_that_any_key_names_is_found():
    settings = parse(PROJECT, "dev", stack_file(CASES / "good" / "all-keys-of-people.yaml"), {})
    assert list(files(settings)) == [
        "directory.password",
        "corp.secret",
        "other.secret",
        "entra.secret",
        "google.secret",
        "smtp.password",
        "authority.pem",
        "old-authority.pem",
    ]
