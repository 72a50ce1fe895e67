"""Which alarms Hive forgets after MySQL was restored."""

from __future__ import annotations

from datetime import timedelta

from alerts.restored import without_lost
from tests.unit.alerts.alarm_rows import STARTED, alarm, by_id

MINUTE = timedelta(minutes=1)


def test_alarms_that_began_after_the_backup_go_and_those_that_housekeeping_forgot_stay() -> None:
    """What MySQL knows stays too, also when it was recorded in the very moment of the backup."""
    forgotten, known = alarm(opened_at=STARTED - 400 * 1440 * MINUTE), alarm(opened_at=STARTED)
    lost, of_the_past = alarm(opened_at=STARTED + MINUTE), alarm(opened_at=STARTED, started_at=STARTED - 60 * MINUTE)
    without_a_trail = alarm(opened_at=None)
    rows = by_id(forgotten, known, lost, of_the_past, without_a_trail)
    asked: list[str] = []

    def ask(alarm_ids: list[str]) -> set[str]:
        asked.extend(alarm_ids)
        return {known["alarm_id"]}

    assert without_lost(STARTED, ask, rows) == by_id(forgotten, known, without_a_trail)
    assert set(asked) == {known["alarm_id"], lost["alarm_id"], of_the_past["alarm_id"]}


def test_mysql_is_not_asked_about_a_day_without_any() -> None:
    rows = by_id(alarm(opened_at=STARTED - MINUTE))
    assert without_lost(STARTED, lambda _: set(), rows) == rows
