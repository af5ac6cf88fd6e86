"""Keeps Pulumi's salt out of a stack's file, which belongs to everybody while the passphrase is this checkout's own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SALT = re.compile(r"^encryptionsalt: .*\n?", re.MULTILINE)


@contextmanager
def unchanged(file: Path, copy: Path) -> Iterator[None]:
    """Takes back what pulumi itself adds to the file: the salt (the state keeps it too) and other quotes.

    What else was changed meanwhile stays, and so does the salt when secrets in the file need it. Until it is taken back
    there is a copy of the file as it was: a launcher that is killed leaves it to the next one, which takes it back.
    """
    if copy.exists():
        _take_back(file, copy.read_text())
    before = _text(file)
    unfinished = copy.with_suffix(".new")
    unfinished.write_text(before)
    unfinished.replace(copy)
    try:
        yield
    finally:
        _take_back(file, before)
        copy.unlink(missing_ok=True)


def _take_back(file: Path, before: str) -> None:
    after = _text(file)
    if after == before or _SALT.search(before) or "secure:" in after:
        return
    kept = before if _meaning(after) == _meaning(before) else _SALT.sub("", after)
    if kept:
        file.write_text(kept)
    else:
        file.unlink()


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def without_salt(text: str) -> str:
    """As everybody has it: the salt belongs to a passphrase, and each checkout may have another."""
    return _SALT.sub("", text)


def _meaning(text: str) -> str:
    return re.sub(r"[\s'\"{}]", "", _SALT.sub("", text))
