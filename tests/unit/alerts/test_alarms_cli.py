"""`./ward alarms`: what is wrong with its arguments is said before any server is asked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from alerts.alarms_cli import alarms
from alerts.alarms_table import check_prefix, has_risen, not_acknowledgeable
from infra.errors import WardError
from tests.unit.alerts.alarms_looked_at import alarm_row

WHO = ("--author", "Jane Doe", "--reason", "seen")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(alarms, list(arguments))


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a server was asked")

    for module in ("alarms_cli", "silences_cli"):
        monkeypatch.setattr(f"alerts.{module}.database", fail)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "12345"), "at least its first 6 characters"),
        (("show", "0123456789abcdefg"), "at least its first 6 characters"),
        (("show", "123456%"), "at least its first 6 characters"),
        (("ack", "xyz", *WHO), "at least its first 6 characters"),
        (("ack", "abcdef", *WHO, "--for", "1w"), "not a duration"),
        (("ack", "abcdef", *WHO, "--for", "9h"), "8h is the most"),
        (("ack", "abcdef", "--author", " ", "--reason", "seen"), "author is a name"),
        (("ack", "abcdef", "--author", "Jane", "--reason", ""), "reason is a text"),
        (("silence", *WHO, "--for", "2h"), "--everything"),
        (("silence", *WHO, "--everything", "--ward", "ICU", "--for", "2h"), "--everything alone"),
        (("silence", *WHO, "--ward", "ICU"), "--for 2h, or --until"),
        (("silence", *WHO, "--ward", "ICU", "--for", "2 h"), "not a duration"),
        (("silence", *WHO, "--attribute", "pulse", "--for", "2h"), "there are heart_rate"),
        (("silences", "--lift", "4"), "go together"),
        (("silences", "--author", "Jane Doe"), "go together"),
    ],
)
def test_a_wrong_argument_is_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    failed = run(*arguments).exception
    assert isinstance(failed, WardError)
    assert said in str(failed)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ack", "abcdef", "--reason", "seen"),
        ("ack", "abcdef", "--author", "Jane Doe"),
        ("silence", "--ward", "ICU", "--for", "2h"),
        ("list", "--severity", "fatal"),
        ("list", "--limit", "0"),
        ("silences", "--lift", "four", "--author", "Jane Doe"),
    ],
)
def test_a_missing_or_impossible_option_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["list", "show", "ack", "silence", "silences"])
def test_every_command_says_what_it_does(command: str) -> None:
    assert command in run("--help").output
    assert run(command, "--help").exit_code == 0


def test_an_id_may_be_typed_in_capitals() -> None:
    assert check_prefix("ABCDEF12") == "abcdef12"


def test_an_alarm_is_told_in_a_few_words() -> None:
    assert alarm_row().what == "Heart rate high, last 135 /min"
    assert alarm_row(attribute="temperature", last_value=38.25).what == "Temperature high, last 38.3 °C"
    assert alarm_row(attribute="news2", last_value=7.0, direction="high").what == "NEWS2 score high, last 7"
    assert alarm_row(last_value=None).what == "Heart rate high"
    technical = alarm_row(kind="technical", phase=None, attribute=None, technical_kind="hbase_unavailable")
    assert (technical.what, technical.state, technical.severity_shown) == ("hbase_unavailable", "active", "technical")


def test_only_what_has_been_told_and_lasts_is_acknowledged() -> None:
    assert not_acknowledgeable(alarm_row()) is None
    assert not_acknowledgeable(alarm_row(phase="acknowledged")) is None
    for changes, word in (
        ({"phase": "ended"}, "over"),
        ({"phase": "pending"}, "pending"),
        ({"kind": "technical", "phase": None}, "technical"),
    ):
        assert word in (not_acknowledgeable(alarm_row(**changes)) or "")


def test_an_alarm_that_became_more_severe_than_was_shown_has_risen() -> None:
    assert has_risen(alarm_row(severity="high"), "medium")
    assert has_risen(alarm_row(severity="high"), "")
    assert not has_risen(alarm_row(severity="medium"), "high")
    assert not has_risen(alarm_row(severity=None, phase="pending"), "")
