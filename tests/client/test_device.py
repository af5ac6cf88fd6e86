"""Logging in with a code on another device."""

import pytest
from mlflow_platform.client.errors import ClientError, NotLoggedIn
from mlflow_platform.client.login import log_in

from tests.client.double import Double


def test_a_login_by_code_shows_where_and_waits(
    platform: Double, pauses: list[float], capsys: pytest.CaptureFixture[str]
):
    platform.device_answers = ["authorization_pending", "slow_down", "authorization_pending"]
    log_in(platform.url, "device", offline=False)
    shown = capsys.readouterr().err
    assert f"{platform.issuer}/activate?user_code=ABCD-EFGH" in shown
    assert "code ABCD-EFGH" in shown
    assert pauses == [5, 5, 10, 10]
    assert not [secret for secret in platform.handed_out if secret in shown]


def test_while_keycloak_does_not_answer_a_login_by_code_asks_ever_more_rarely(
    platform: Double, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    def down_after_the_start(seconds: float) -> None:
        pauses.append(seconds)
        platform.down = len(pauses) <= 3

    monkeypatch.setattr("time.sleep", down_after_the_start)
    log_in(platform.url, "device", offline=False)
    assert pauses == [5, 10, 20, 30]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("expired_token", "before the code expired"),
        ("access_denied", "was refused"),
        ("<b>", "did not log you in"),
    ],
)
def test_a_login_by_code_that_fails_says_why(platform: Double, pauses: list[float], error: str, sentence: str):
    platform.device_answers = [error]
    with pytest.raises(NotLoggedIn, match=sentence) as failed:
        log_in(platform.url, "device", offline=False)
    assert "<" not in str(failed.value)


def test_a_login_by_code_ends_with_its_code(platform: Double, pauses: list[float]):
    platform.device_answers = ["authorization_pending"] * 1000
    with pytest.raises(NotLoggedIn, match="expired"):
        log_in(platform.url, "device", offline=False)
    assert sum(pauses) <= 600


@pytest.mark.parametrize(
    "changes",
    [
        {"verification_uri": "https://evil.example/"},
        {"verification_uri_complete": "https://evil.example/?user_code=ABCD-EFGH"},
        {"verification_uri": "javascript:alert(1)"},
        {"user_code": "\x1b[2J"},
        {"user_code": None},
    ],
)
def test_a_login_by_code_shows_nothing_that_keycloak_should_not_say(
    platform: Double, pauses: list[float], changes: dict[str, object], capsys: pytest.CaptureFixture[str]
):
    platform.device_changes = changes
    with pytest.raises(ClientError):
        log_in(platform.url, "device", offline=False)
    assert capsys.readouterr().err == ""
