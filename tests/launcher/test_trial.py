"""What is told of a new version that does not start: the one line that says why."""

import pytest

from launcher.trial import _reason


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "INFO starting\nTraceback (most recent call last):\n  File x\n"
            "psycopg.errors.DuplicateTable: relation exists\n\n"
            "sqlalchemy.exc.ProgrammingError: (psycopg.errors.DuplicateTable) relation exists\n[SQL: create]\n"
            "(Background on this error at: somewhere)\n",
            "sqlalchemy.exc.ProgrammingError: (psycopg.errors.DuplicateTable) relation exists",
        ),
        (
            "ERROR: Failed to start server in (production) mode\nERROR: Failed to obtain JDBC connection\n"
            "For more details run the same command passing the '--verbose' option.\n",
            "ERROR: Failed to obtain JDBC connection",
        ),
        ("mlflow-platform: a setting is missing", "mlflow-platform: a setting is missing"),
        ("x.OperationalError: cannot reach postgresql+psycopg://me:secret@postgres:5432/x", None),
        ("all is well", None),
    ],
)
def test_the_last_line_that_complains_is_the_reason(said: str, why: str | None):
    found = _reason(said)
    assert "secret" not in (found or "")
    if "secret" not in said:
        assert found == why
