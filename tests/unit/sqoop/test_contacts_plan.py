"""What an import decides to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sqoop.plan import Completeness, Kind, began_meanwhile, choose, escalate, fingerprint, seen, unchanged
from sqoop.source import Column, ContactsTable, Counts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = ContactsTable(
    "health.patients_information",
    {"patient_id": Column("patient_id", "varchar"), "updated_at": Column("updated_at", "timestamp")},
)


def manifest(**changed: object) -> dict[str, object]:
    checked = (NOW - timedelta(hours=1)).isoformat()
    good = {"mark": "2026-03-01 11:00:00", "fingerprint": fingerprint(SOURCE), "keys_checked_at": checked}
    return {**good, **changed}


def counts(total: int) -> Counts:
    return Counts(total, matching=0, digest=0, at=NOW)


def test_a_good_manifest_allows_a_delta() -> None:
    assert choose(SOURCE, manifest(), NOW, full=False) is Kind.DELTA


@pytest.mark.parametrize("last", [None, manifest(mark=""), manifest(fingerprint="another table")])
def test_without_a_base_that_fits_everything_is_imported(last: dict[str, object] | None) -> None:
    assert choose(SOURCE, last, NOW, full=False) is Kind.FULL


def test_full_can_be_asked_for() -> None:
    assert choose(SOURCE, manifest(), NOW, full=True) is Kind.FULL


def test_a_source_that_does_not_say_when_rows_changed_is_always_imported_in_full() -> None:
    source = ContactsTable(SOURCE.table, {"patient_id": Column("patient_id", "varchar")})
    assert choose(source, manifest(fingerprint=fingerprint(source)), NOW, full=False) is Kind.FULL


@pytest.mark.parametrize("hours", [24, -1], ids=["yesterday", "before the clock was set back"])
def test_the_keys_are_compared_once_a_day(hours: int) -> None:
    checked = (NOW - timedelta(hours=hours)).isoformat()
    assert choose(SOURCE, manifest(keys_checked_at=checked), NOW, full=False) is Kind.DELTA_AND_KEYS


@pytest.mark.parametrize(("began", "meanwhile"), [(-1, False), (1, True), (7200, False)])
def test_an_import_that_began_in_what_is_the_future_now_did_not_begin_meanwhile(began: int, meanwhile: bool) -> None:
    last = {"started_at": (NOW + timedelta(seconds=began)).isoformat()}
    assert began_meanwhile(last, NOW, NOW + timedelta(seconds=60)) is meanwhile


def test_another_column_or_type_is_another_source() -> None:
    other = ContactsTable(SOURCE.table, {**SOURCE.columns, "updated_at": Column("updated_at", "datetime")})
    assert fingerprint(other) != fingerprint(SOURCE)


def test_more_rows_than_the_source_has_make_it_look_for_deletions_at_once() -> None:
    assert escalate(Kind.DELTA, Completeness(rows=11, stale=0), counts(10), counts(10)) is Kind.DELTA_AND_KEYS


def test_fewer_rows_than_the_source_has_make_it_look_for_what_is_missing() -> None:
    assert escalate(Kind.DELTA, Completeness(rows=9, stale=0), counts(10), counts(10)) is Kind.DELTA_AND_KEYS


@pytest.mark.parametrize(("before", "after"), [(10, 10), (9, 10), (11, 10), (8, 12)])
def test_while_rows_come_and_go_any_number_in_between_agrees(before: int, after: int) -> None:
    assert escalate(Kind.DELTA, Completeness(rows=10, stale=0), counts(before), counts(after)) is None


def test_a_stale_row_makes_the_import_full() -> None:
    assert escalate(Kind.DELTA_AND_KEYS, Completeness(rows=10, stale=1), counts(10), counts(10)) is Kind.FULL


@pytest.mark.parametrize("kind", [Kind.DELTA_AND_KEYS, Kind.FULL])
def test_nothing_follows_a_thorough_import_that_found_nothing_stale(kind: Kind) -> None:
    assert escalate(kind, Completeness(rows=9, stale=0), counts(10), counts(10)) is None


SEEN = Counts(total=60, matching=2, digest=17, at=NOW)
SINCE = "2026-03-01 11:50:00.000000"


def test_a_source_as_the_last_import_saw_it_needs_none() -> None:
    last = manifest(rows=60, seen=seen(SINCE, SEEN, replace(SEEN, at=NOW + timedelta(seconds=9))))
    assert unchanged(last, SINCE, replace(SEEN, at=NOW + timedelta(hours=1)))


@pytest.mark.parametrize("change", [{"total": 59}, {"matching": 3}, {"digest": 18}])
def test_any_change_needs_an_import(change: dict[str, Any]) -> None:
    assert not unchanged(manifest(rows=60, seen=seen(SINCE, SEEN, SEEN)), SINCE, replace(SEEN, **change))


def test_a_snapshot_that_lacks_a_row_or_has_one_too_many_needs_an_import() -> None:
    assert not unchanged(manifest(rows=61, seen=seen(SINCE, SEEN, SEEN)), SINCE, SEEN)


def test_another_mark_needs_an_import() -> None:
    assert not unchanged(manifest(rows=60, seen=seen(SINCE, SEEN, SEEN)), "2026-03-01 11:55:00.000000", SEEN)


def test_rows_that_changed_during_an_import_count_as_not_seen() -> None:
    assert seen(SINCE, SEEN, replace(SEEN, digest=18)) is None
    assert not unchanged(manifest(rows=60, seen=None), SINCE, SEEN)


def test_a_row_that_changed_within_the_second_may_change_again_unseen_and_is_looked_at_again() -> None:
    assert seen(SINCE, replace(SEEN, just_changed=True), SEEN) is None
    assert not unchanged(manifest(rows=60, seen=None), SINCE, replace(SEEN, just_changed=True))


def test_a_full_import_leaves_the_question_to_the_next() -> None:
    assert seen(None, SEEN, SEEN) is None
