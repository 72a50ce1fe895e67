"""What the files hold, and whether an engine's answer is that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import Mock

import pyarrow as pa
import pytest

from bench.questions import AGGREGATE, COLUMNS, PATIENTS_DAY, ask, require_same, truth
from bench.scratch_readings import FIRST_DAY, History
from infra.errors import WardError

NUMBER = pa.decimal128(10, 3)
SCHEMA = pa.schema(
    [
        ("reading_id", pa.int64()),
        ("patient_id", pa.string()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        *((name, NUMBER) for name in COLUMNS[3:]),
    ]
)


def files(*ids: int) -> pa.Table:
    values = dict.fromkeys(COLUMNS[3:], Decimal("60.5"))
    rows = [
        {"reading_id": i, "patient_id": "P000007", "recorded_at": FIRST_DAY + timedelta(hours=13 * i), **values}
        for i in ids
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def test_the_answers_are_exact_and_by_the_day() -> None:
    found = truth(files(1, 0, 2), 3)
    number = Decimal("60.5")
    assert found[AGGREGATE] == [
        ("2026-01-01", "P000007", 2, 1, number, number, 2 * number, number, 2 * number),
        ("2026-01-02", "P000007", 1, 2, number, number, number, number, number),
    ]
    assert [row[:2] for row in found[PATIENTS_DAY]] == [(0, datetime(2026, 1, 1)), (1, datetime(2026, 1, 1, 13))]  # noqa: DTZ001


def test_an_answer_counts_in_whatever_order_it_comes_and_repeats_stay_in_it() -> None:
    session = Mock()
    session.rows.return_value = [("2026-01-02", "P1", 3), ("2026-01-01", "P2", 4), ("2026-01-01", "P2", 4)]
    assert ask(session, AGGREGATE, "t").rows == sorted(session.rows.return_value)
    assert "ORDER BY" not in session.rows.call_args.args[0]


@pytest.mark.parametrize("ids", [(0, 1), (0, 1, 1), (0, 1, 3)])
def test_a_reading_too_few_too_many_or_unknown_is_an_error(ids: tuple[int, ...]) -> None:
    with pytest.raises(WardError, match="do not hold each of 3 readings once"):
        truth(files(*ids), 3)


def test_a_wrong_answer_is_told_with_its_first_row() -> None:
    require_same("count", "Hive", [(1, "a")], [(1, "a")])
    with pytest.raises(WardError, match=r"Hive answers the count .* row 2 is \(2,\), not \(3,\)"):
        require_same("count", "Hive", [(1,), (2,)], [(1,), (3,)])
    with pytest.raises(WardError, match="rows are missing"):
        require_same("count", "Hive", [(1,)], [(1,), (3,)])


def test_a_history_has_its_hours_and_rows() -> None:
    history = History(days=2, hours_a_day=2, files_an_hour=3, rows_a_file=10, patients=4)
    assert (history.files, history.rows) == (12, 120)
    assert [hour.isoformat() for hour in history.hours()] == [
        f"2026-01-0{day}T0{hour}:00:00+00:00" for day in (1, 2) for hour in (0, 1)
    ]
    assert datetime(2026, 1, 1, tzinfo=UTC) == FIRST_DAY
