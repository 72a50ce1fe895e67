"""Names of snapshots, and what counts as the same table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from clinical.thresholds import read_table
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from hbase.snapshots import VERSION, accepted_at, content_hash, new_snapshot
from hbase.watcher import describe, judge_table

ROWS = [row for row in read_table(keyed(read_csv(DEFAULT_TABLE)))[0] if row.attribute == "heart_rate"]
NOON = 1_790_000_000_123


def test_a_version_says_when_and_what() -> None:
    snapshot = new_snapshot(ROWS, NOON)
    assert snapshot.version == f"20260921T141320123Z-{content_hash(ROWS)}"
    assert VERSION.fullmatch(snapshot.version)
    assert snapshot.accepted_at == NOON


def test_versions_sort_in_the_order_of_acceptance_even_when_the_clock_was_set_back() -> None:
    first = new_snapshot(ROWS, NOON)
    second = new_snapshot(ROWS[:-1], NOON - 60_000, first)
    third = new_snapshot(ROWS, NOON - 60_000, second)
    assert first.version < second.version < third.version


def test_the_order_of_rows_and_the_way_a_number_is_written_are_no_change() -> None:
    other = [
        replace(row, low_age=Decimal(f"{row.low_age}.00") if "." not in str(row.low_age) else row.low_age)
        for row in ROWS
    ]
    assert content_hash(other[::-1]) == content_hash(ROWS)


def test_a_snapshot_from_before_patients_had_limits_of_their_own_still_fits_its_name() -> None:
    rows = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]
    assert content_hash(rows) == "1cd28bb9fa00"


def test_any_other_difference_is_a_change() -> None:
    for change in (
        {"high_value": Decimal(81)},
        {"high_value": None},
        {"delay_seconds": 1},
        {"alert_message": "x"},
        {"source": "x"},
        {"updated_by": "x"},
        {"patient_id": "x"},
        {"reason": "x"},
        {"row_key": "heart_rate#100"},
    ):
        assert content_hash([replace(ROWS[0], **change), *ROWS[1:]]) != content_hash(ROWS)
    assert content_hash(ROWS[1:]) != content_hash(ROWS)


def test_a_bad_table_is_judged_with_row_and_reason_and_an_empty_one_by_its_own_kind() -> None:
    cells = keyed(read_csv(DEFAULT_TABLE))
    assert judge_table(cells).alarm is None
    assert judge_table({}).alarm == "threshold_table_empty"
    cells["spo2#001"]["high_value"] = "ninety"
    judgement = judge_table(cells)
    assert judgement.alarm == "threshold_table_invalid"
    assert judgement.detail.startswith("spo2#001: high_value is 'ninety'")


def test_only_the_first_problems_are_named_in_an_alarm() -> None:
    problems = read_table({f"spo2#{n:03d}": {"attribute": "spo2"} for n in range(9)})[1]
    assert describe(problems).endswith("And 4 more: see `./ward thresholds check`.")


def test_a_version_tells_when_it_was_accepted() -> None:
    assert accepted_at("20260131T103000123Z-8d6ca909d50f") == datetime(2026, 1, 31, 10, 30, 0, 123_000, UTC)
