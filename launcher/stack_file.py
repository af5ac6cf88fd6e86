"""Keeps Pulumi's salt out of a stack's file, which belongs to everybody while the passphrase is this checkout's own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SALT = re.compile(r"^encryptionsalt: .*\n?", re.MULTILINE)


@contextmanager
def unchanged(file: Path) -> Iterator[None]:
    """Takes back what pulumi itself adds to the file: the salt (the state keeps it too) and other quotes.

    What else was changed meanwhile stays, and so does the salt when secrets in the file need it.
    """
    before = file.read_text() if file.exists() else ""
    try:
        yield
    finally:
        after = file.read_text() if file.exists() else ""
        if after != before and not _SALT.search(before) and "secure:" not in after:
            kept = before if _meaning(after) == _meaning(before) else _SALT.sub("", after)
            if kept:
                file.write_text(kept)
            else:
                file.unlink()


def without_salt(text: str) -> str:
    """As everybody has it: the salt belongs to a passphrase, and each checkout may have another."""
    return _SALT.sub("", text)


def _meaning(text: str) -> str:
    return re.sub(r"[\s'\"{}]", "", _SALT.sub("", text))
