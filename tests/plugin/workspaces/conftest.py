"""A server with three rooms, and something of everything in each."""

from collections.abc import Iterator

import pytest

from tests.plugin.conftest import prepare, serving
from tests.plugin.idp import Backstage
from tests.plugin.workspaces.building import PEOPLE, ROOMS, TEAMS, Building
from tests.plugin.workspaces.things import Things, furnish


@pytest.fixture(scope="session")
def building(tmp_path_factory: pytest.TempPathFactory, backstage: Backstage) -> Iterator[Building]:
    teams = {team: {"levels": levels, "reads": [""]} for team, levels in TEAMS.items()}
    environment = prepare(tmp_path_factory.mktemp("rooms"), backstage, workspaces=ROOMS, teams=teams)
    # Whatever MLflow would read from a bucket, it is told of none at once.
    environment |= {
        "MLFLOW_S3_ENDPOINT_URL": backstage.url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with serving(environment, backstage) as server:
        tokens = {
            person: server.realm.token(person, tuple(teams), exp=2_000_000_000) for person, teams in PEOPLE.items()
        }
        yield Building(server, tokens, environment)


@pytest.fixture(scope="session")
def rooms(building: Building) -> dict[str, Things]:
    return {room: furnish(building, room) for room in ROOMS}
