"""What an alarm of the alerts database becomes in Hive."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from alerts.history_rows import EPOCH, SCHEMA, TIMES, TOUCHED, as_row, as_rows, as_table, by_day, time_of
from clinical.tables import ALARMS
from tests.unit.alerts.alarm_rows import STARTED, alarm, by_id

STARTED_MS = (STARTED - EPOCH) // timedelta(milliseconds=1)


def found(**changes: Any) -> dict[str, Any]:
    """An alarm as MySQL gives it, times in epoch ms."""
    row = alarm()
    del row["seconds_to_acknowledge"]
    times = {name: (row[name] - EPOCH) // timedelta(milliseconds=1) for name in TIMES if row[name] is not None}
    return {**row, **times, **changes}


def test_a_row_has_every_column_of_the_table_and_its_times_in_utc() -> None:
    row = as_row(found())
    assert tuple(row) == ALARMS.column_names
    assert row["opened_at"] == STARTED + timedelta(milliseconds=312)
    assert row["ended_at"] is None


def test_the_question_asks_for_every_column_but_the_one_that_is_computed() -> None:
    asked = TOUCHED.split("FROM (", maxsplit=1)[0]
    for name in set(ALARMS.column_names) - {"seconds_to_acknowledge"}:
        assert f"a.{name}" in asked or f"AS {name}" in asked, name


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 120),
        ({"acknowledged_at": None}, None),
        ({"first_told_at": None}, 121),
        ({"first_told_at": None, "raised_at": None}, None),
        ({"acknowledged_at": STARTED_MS + 11_999}, 0),
        ({"acknowledged_at": STARTED_MS}, 0),
    ],
    ids=["from the first mail", "never", "not mailed", "never active", "at once", "before the mail"],
)
def test_the_time_to_acknowledge_counts_from_the_first_mail(changes: dict[str, Any], seconds: int | None) -> None:
    assert as_row(found(**changes))["seconds_to_acknowledge"] == seconds


def test_a_file_gives_back_what_was_written_whatever_is_unknown() -> None:
    pending = alarm(**dict.fromkeys(set(ALARMS.column_names) - {"alarm_id", "patient_id", "started_at", "breaches"}))
    rows = by_id(alarm(ward="Kreißsaal 3", last_value=0.1), pending)
    file = io.BytesIO()
    pq.write_table(as_table(rows), file)
    assert as_rows(pq.read_table(file)) == rows


def test_a_file_of_an_older_version_is_read_without_the_columns_that_it_lacks() -> None:
    rows = by_id(alarm())
    older = as_table(rows).drop_columns(["breach_id", "mails"])
    assert as_table(as_rows(older)).schema == SCHEMA


def test_times_are_exact_to_the_millisecond() -> None:
    assert time_of(1_790_000_000_001) == datetime(2026, 9, 21, 14, 13, 20, 1000, tzinfo=UTC)


def test_an_alarm_belongs_to_the_day_of_its_first_breach_in_utc() -> None:
    last, first = alarm(started_at=datetime(2026, 2, 1, tzinfo=UTC)), alarm(ended_at=STARTED + timedelta(days=2))
    earlier = alarm(started_at=datetime(2026, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC))
    assert by_day(by_id(last, first, earlier)) == {"2026-01-31": by_id(first, earlier), "2026-02-01": by_id(last)}
