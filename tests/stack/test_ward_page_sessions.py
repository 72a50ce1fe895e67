"""Sessions of the ward page, on the real MySQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboard import sessions
from dashboard.bootstrap import bootstrap
from infra.errors import UnavailableError
from infra.settings import Settings
from tests.stack.alerting import now_ms, query, unique

pytestmark = pytest.mark.own_world

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture
def user(stack: Settings) -> Iterator[str]:
    """The name of a user that only this test has."""
    name = unique("session-user")
    yield name
    sessions.end_all(stack, name)


def age(settings: Settings, user: str, column: str, by_ms: float) -> None:
    """Make it so that the sessions of the user were begun, or seen, that much earlier."""
    query(settings, f"UPDATE page_sessions SET {column} = {column} - %s WHERE user_name = %s", by_ms, user)


def seen_at(settings: Settings, user: str) -> int:
    [(at,)] = query(settings, "SELECT seen_at FROM page_sessions WHERE user_name = %s", user)
    return int(at)


def test_a_session_lasts_until_it_is_ended(stack: Settings, user: str) -> None:
    token = sessions.begin(stack, user)
    assert sessions.user_of(stack, token, is_act=False) == user
    sessions.end(stack, token)
    assert sessions.user_of(stack, token, is_act=False) is None


def test_the_table_cannot_be_used_to_log_in(stack: Settings, user: str) -> None:
    token = sessions.begin(stack, user)
    [(kept,)] = query(stack, "SELECT token_hash FROM page_sessions WHERE user_name = %s", user)
    assert kept != token.encode()
    for guess in (kept.hex(), kept.decode("latin-1"), token[:-1], "", "' OR '1'='1"):
        assert sessions.user_of(stack, guess, is_act=False) is None


def test_two_logins_are_two_sessions_and_all_can_be_ended_at_once(stack: Settings, user: str) -> None:
    first, second = sessions.begin(stack, user), sessions.begin(stack, user)
    other = sessions.begin(stack, other_user := user + "x")
    assert first != second
    sessions.end(stack, first)
    assert sessions.user_of(stack, second, is_act=False) == user
    sessions.end_all(stack, user)
    assert sessions.user_of(stack, second, is_act=False) is None
    assert sessions.user_of(stack, other, is_act=False) == other_user
    sessions.end_all(stack, other_user)


def test_a_session_without_acts_ends_and_looking_does_not_keep_it(stack: Settings, user: str) -> None:
    token = sessions.begin(stack, user)
    age(stack, user, "seen_at", (stack.dashboard.idle_minutes - 1) * MINUTE_MS)
    assert sessions.user_of(stack, token, is_act=False) == user
    age(stack, user, "seen_at", MINUTE_MS)
    assert sessions.user_of(stack, token, is_act=False) is None
    assert sessions.user_of(stack, token, is_act=True) is None


def test_an_act_keeps_a_session(stack: Settings, user: str) -> None:
    token = sessions.begin(stack, user)
    age(stack, user, "seen_at", (stack.dashboard.idle_minutes - 1) * MINUTE_MS)
    assert sessions.user_of(stack, token, is_act=True) == user
    assert now_ms() - seen_at(stack, user) < MINUTE_MS
    age(stack, user, "seen_at", 2 * MINUTE_MS)
    assert sessions.user_of(stack, token, is_act=False) == user


def test_a_session_ends_in_the_end_whatever_its_user_does(stack: Settings, user: str) -> None:
    token = sessions.begin(stack, user)
    age(stack, user, "created_at", stack.dashboard.session_hours * HOUR_MS + 1000)
    assert sessions.user_of(stack, token, is_act=True) is None


def test_what_ended_long_ago_is_forgotten_at_the_next_login(stack: Settings, user: str) -> None:
    sessions.begin(stack, user)
    age(stack, user, "seen_at", sessions.KEPT_MS + 1000)
    sessions.begin(stack, user)
    assert len(query(stack, "SELECT seen_at FROM page_sessions WHERE user_name = %s", user)) == 1


def test_tables_that_are_there_are_left_alone_by_a_second_start(stack: Settings, user: str) -> None:
    token = sessions.begin(stack, user)
    bootstrap(stack)
    assert sessions.user_of(stack, token, is_act=False) == user


def test_without_mysql_nobody_is_taken_for_logged_out(stack: Settings) -> None:
    away = stack.model_copy(update={"ports": stack.ports.model_copy(update={"mysql": 1})})
    with pytest.raises(UnavailableError):
        sessions.user_of(away, "token", is_act=False)
