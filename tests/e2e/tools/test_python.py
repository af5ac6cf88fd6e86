"""Python's libraries, each by the profile, and over the end of the credentials that it began with."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Platform
from tests.e2e.tools.conftest import SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_it_works_as_the_user_for_longer_than_its_credentials(
    program: Path, stack: Platform, tools: Path, environment: dict[str, str], big: Path
):
    bucket = stack.outputs["artifact_bucket"]
    own = {**environment, "BUCKET": bucket, "BIG": str(big), "WAIT": str(SECONDS + 5)}
    assert stack.run([str(tools / "python"), str(program)], own).splitlines()[-1] == "done"
