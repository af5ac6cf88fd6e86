"""What is read as one trail: from this server's table, and from Keycloak's two."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mlflow_platform.server.audit import Event
from mlflow_platform.server.trail import __main__ as command
from mlflow_platform.server.trail import keycloak, reading, table
from mlflow_platform.server.trail.reading import Source, Wanted
from sqlalchemy import Engine, create_engine, insert

NOW = 1_700_000_000_000  # milliseconds


@pytest.fixture
def ours(tmp_path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{tmp_path}/ours.db")
    table.METADATA.create_all(engine)
    return engine


@pytest.fixture
def keycloaks(tmp_path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{tmp_path}/keycloaks.db")
    keycloak.METADATA.create_all(engine)
    return engine


@pytest.fixture
def sources(ours: Engine, keycloaks: Engine) -> list[Source]:
    return [
        partial(table.kept, ours),
        partial(keycloak.logins, keycloaks),
        partial(keycloak.administration, keycloaks),
    ]


def login(engine: Engine, id: int, type: str = "LOGIN", **said: Any) -> None:
    details = json.dumps(said.pop("details", {}), separators=(",", ":"), ensure_ascii=False)
    row = {"id": str(id), "event_time": NOW + id, "type": type, "details_json_long_value": details, **said}
    with engine.begin() as connection:
        connection.execute(insert(keycloak._LOGINS).values(row))


def said(sources: list[Source], **wanted: Any) -> list[tuple[str, str, str]]:
    return [(event.user, event.what, event.outcome) for event in reading.everything(sources, Wanted(**wanted))]


def test_keycloaks_events_say_who_even_where_only_the_login_named_him(keycloaks: Engine, sources: list[Source]) -> None:
    vera = {"user_id": "id-of-vera", "ip_address": "10.0.0.7"}
    login(keycloaks, -9_000_000, details={"username": "vera-before-she-married"}, **vera)
    login(keycloaks, 1, details={"username": "vera", "auth_method": "openid-connect"}, **vera)
    login(keycloaks, 2, "CODE_TO_TOKEN", **vera)
    login(keycloaks, 3, "LOGIN_ERROR", details={"username": "dev"}, error="invalid_user_credentials")
    login(keycloaks, 4, "LOGIN_ERROR", details={"username": 'x","username":"vera'}, error="user_not_found")
    login(keycloaks, 5, details={"username": "jürgen_"}, user_id="id-of-jürgen")
    with keycloaks.begin() as connection:
        connection.execute(
            insert(keycloak._ADMINISTRATION).values(
                id="6", admin_event_time=NOW + 6, operation_type="CREATE", resource_path="users/1/groups/2"
            )
        )
    assert said(sources) == [
        ("administrator", "CREATE users/1/groups/2", ""),
        ("jürgen_", "LOGIN", ""),
        ('x","username":"vera', "LOGIN_ERROR", "user_not_found"),
        ("dev", "LOGIN_ERROR", "invalid_user_credentials"),
        ("vera", "CODE_TO_TOKEN", ""),
        ("vera", "LOGIN", ""),
        ("vera-before-she-married", "LOGIN", ""),
    ]
    assert said(sources, user="vera", since=NOW * 1000) == [("vera", "CODE_TO_TOKEN", ""), ("vera", "LOGIN", "")]
    assert said(sources, user="jürgen_") == [("jürgen_", "LOGIN", "")]
    assert said(sources, user="%") == said(sources, user="j_rgen_") == said(sources, room="default") == []
    assert said(sources, user="administrator") == [("administrator", "CREATE users/1/groups/2", "")]
    assert [user for user, *_ in said(sources, only_refused=True)] == ['x","username":"vera', "dev"]
    assert len(said(sources, since=(NOW + 3) * 1000)) == 4
    assert len(said(sources, since=(NOW + 3) * 1000 + 1)) == 3


@pytest.mark.parametrize("number", [1, 2, 7, 1000])
def test_pages_together_have_every_event_once_in_one_order_however_many_are_of_one_moment(
    ours: Engine, keycloaks: Engine, sources: list[Source], number: int
) -> None:
    table.add(ours, [Event(at=(NOW + each // 5) * 1000, trail="MLflow", what=str(each)) for each in range(40)])
    for each in range(8):
        login(keycloaks, each)
    found = list(reading.everything(sources, Wanted(), number))
    assert len(found) == 48
    assert sorted(event.what for event in found if event.trail == "MLflow") == sorted(map(str, range(40)))
    assert [event.at for event in found] == sorted((event.at for event in found), reverse=True)


def test_what_is_old_goes_and_of_each_user_what_is_too_much_and_that_is_said(
    ours: Engine, sources: list[Source], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mlflow_platform.audit")
    table.add(ours, [Event(at=at, trail="MLflow", user="", what=f"nobody {at}") for at in range(20)])
    table.add(ours, [Event(at=at, trail="MLflow", user="vera", what=f"vera {at}") for at in range(8)])
    table.sweep(ours, before=5, most=4)
    kept = [what for _, what, _ in said(sources)]
    assert sorted(kept) == sorted([*(f"nobody {at}" for at in range(16, 20)), "vera 5", "vera 6", "vera 7"])
    assert '"events made room for newer ones", "of": "nobody known", "count": 11}' in caplog.text
    assert "vera" not in caplog.text


def test_a_text_is_kept_as_it_can_be_shown(ours: Engine, sources: list[Source]) -> None:
    odd = Event(at=1, trail="MLflow", user="a\0b", what="x" * 5000, outcome="\ud800\x1b[2J\u202e")
    table.add(ours, [odd])
    [(user, what, outcome)] = said(sources)
    assert (user, len(what)) == ("a\ufffdb", 1200)
    assert outcome == "\ufffd\ufffd[2J\ufffd"


def test_the_command_prints_the_same_an_event_a_line(
    tmp_path: Path, ours: Engine, keycloaks: Engine, sources: list[Source], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    table.add(ours, [Event(at=at, trail="MLflow", user="vera", room="vision", what="a\nb") for at in range(3)])
    secrets = {"MLFLOW_PLATFORM_AUTH_DATABASE_URI": ours.url, "MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI": keycloaks.url}
    for name in secrets:  # the command puts them into its own process's environment
        monkeypatch.setenv(name, "")
    (tmp_path / "secrets").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    command.main(["1", "--user=vera", "--room=vision"], tmp_path / "secrets")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"at": at, "trail": "MLflow", "user": "vera", "address": "", "what": "a\ufffdb", "outcome": "",
         "room": "vision", "refused": False}
        for at in (2, 1)
    ]  # fmt: skip
    command.main(["0", "--user=nobody"], tmp_path / "secrets")
    assert capsys.readouterr().out == ""
