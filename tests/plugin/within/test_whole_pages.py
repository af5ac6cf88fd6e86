"""A page of experiments goes out as MLflow's own filter would send it, and without what its reader may not see."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response
from mlflow.server import auth
from mlflow_platform.server.within import whole_pages

from tests.plugin.conftest import Server

ROUTES = tuple(f"/{api}/2.0/mlflow/experiments/search" for api in ("api", "ajax-api"))
IDS = ("1", "2", "3")
PAGE = {"experiments": [{"experiment_id": number, "name": f"n{number}"} for number in IDS], "next_page_token": "x"}


class Tracking:
    """No more pages."""

    def search_experiments(self, **_: Any) -> list[Any]:
        return []


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str], dict[str, Any]], Response]:
    """What the handler makes of a page for whom may read these experiments."""
    monkeypatch.setattr(auth, "AFTER_REQUEST_HANDLERS", dict(auth.AFTER_REQUEST_HANDLERS))
    monkeypatch.setattr(auth, "_SELF_AUTHORIZING_AFTER_REQUEST_HANDLERS", auth._SELF_AUTHORIZING_AFTER_REQUEST_HANDLERS)
    monkeypatch.setattr(auth, "sender_is_admin", lambda: False)
    monkeypatch.setattr(auth, "authenticate_request", lambda: type("Authorization", (), {"username": "ada"}))
    monkeypatch.setattr(auth, "_get_tracking_store", Tracking)
    whole_pages.leave_as_they_are(auth)

    def handled(readable: set[str], page: dict[str, Any]) -> Response:
        monkeypatch.setattr(auth, "_role_based_read_predicate", lambda user, kind: readable.__contains__)
        with Flask("test").test_request_context(ROUTES[0], method="POST", json={"max_results": 3}):
            answer = Response(json.dumps(page), mimetype="application/json")
            auth.AFTER_REQUEST_HANDLERS[ROUTES[0], "POST"](answer)
        return answer

    return handled


def test_both_routes_have_it_and_count_as_filtered(handler: object) -> None:
    for route in ROUTES:
        found = auth.AFTER_REQUEST_HANDLERS[route, "POST"]
        assert found is not auth.filter_search_experiments
        assert found in auth._SELF_AUTHORIZING_AFTER_REQUEST_HANDLERS


def test_a_page_that_may_be_seen_is_not_touched(handler: Callable[..., Response]) -> None:
    assert handler({*IDS, "4"}, PAGE).data == json.dumps(PAGE).encode()


@pytest.mark.parametrize("readable", [set(), {"1"}, {"1", "3"}, {"4"}])
def test_what_may_not_be_seen_is_not_there(handler: Callable[..., Response], readable: set[str]) -> None:
    found = handler(readable, PAGE).get_json()
    assert {experiment["experiment_id"] for experiment in found.get("experiments", [])} == readable & set(IDS)


@pytest.mark.parametrize("page", [{}, {"experiments": []}])
def test_an_empty_page_stays_empty(handler: Callable[..., Response], page: dict[str, Any]) -> None:
    assert handler(set(), page).get_json() == page


def test_the_server_answers_a_member_as_it_does_an_administrator(server: Server) -> None:
    server.as_member("editors", "POST", "/api/2.0/mlflow/experiments/create", json={"name": "on-a-whole-page"})
    pages = [server.as_member(team, "POST", ROUTES[0], json={"max_results": 50}) for team in ("viewers", "admins")]
    assert pages[0].status_code == 200
    assert pages[0].json() == pages[1].json()
    assert "on-a-whole-page" in [experiment["name"] for experiment in pages[0].json()["experiments"]]
