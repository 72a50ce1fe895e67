"""`./ward alarms replay`: a day out of Hive, judged by the thresholds in force and by those of a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymysql.connections import Connection

from alerts.replay import replay_day
from hbase.files import HOME_GLUCOSE
from hive.client import query
from infra.settings import Settings
from tests.running import ward
from tests.stack.alerting import unique

pytestmark = pytest.mark.leaves_streams

Await = Callable[..., object]
DAYS_AGO = 19
"""A day of which no other test writes readings; not yet too old to be believed."""


def test_a_stricter_table_would_have_alarmed_where_the_one_in_force_did_not(
    stack: Settings, devices: Connection[Any], await_condition: Await
) -> None:
    patient = unique("P")
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=DAYS_AGO)
    with devices.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health.patients_vital_info (patient_id, recorded_at, heart_rate, glucose)"
            " VALUES (%s, %s, 72, %s)",
            [(patient, noon + timedelta(minutes=minute), 130 if minute < 30 else 100) for minute in range(60)],
        )
    of_day = f"event_date = '{noon:%Y-%m-%d}' AND patient_id = '{patient}'"
    landed = f"SELECT reading_id FROM health.vital_readings WHERE {of_day}"
    await_condition(lambda: len(query(stack, landed)) == 60, 300, "the readings did not land", 2)
    found = replay_day(stack, noon.date(), HOME_GLUCOSE)
    mine = [one for one in found.new if one.alarm.patient_id == patient and one.alarm.attribute == "glucose"]
    assert [(one.before, one.after) for one in mine] == [(None, "medium")]
    assert found.alarms["glucose", "medium"].before == 0
    assert found.alarms["glucose", "medium"].after >= 1
    printed = ward("alarms", "replay", str(HOME_GLUCOSE), "--day", f"{noon:%Y-%m-%d}")
    assert printed.returncode == 0, printed.stdout
    assert patient in printed.stdout
    assert "Newly mailed about" in printed.stdout
