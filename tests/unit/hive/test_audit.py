"""The audit's question and its words; the comparison is tested with the merge, the servers in the stack."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hive.audit import NAMED_IDS, AuditResult, audit_hour, hive_statement
from hive.id_merge import compare
from hive.landed import NotYetLandedError, ProducerPosition, _require_read
from infra.errors import ConfigurationError
from infra.settings import Settings, Source

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
END = START + timedelta(hours=1)


def test_agreement_is_said_with_the_number_of_rows() -> None:
    result = AuditResult(START, END, compare([1, 2], [1, 2]))
    assert result.agrees
    assert "All 2 rows" in result.sentence()


def test_a_difference_names_the_ids_of_each_kind() -> None:
    result = AuditResult(START, END, compare([1, 2, 3], [2, 2, 9]))
    assert not result.agrees
    assert (result.missing_ids, result.unexpected_ids, result.duplicate_ids) == ([1, 3], [9], [2])
    assert "2 are in MySQL and not in Hive (ids 1, 3)" in result.sentence()
    assert "1 are in Hive and not in MySQL (ids 9)" in result.sentence()
    assert "1 are in Hive more than once (ids 2)" in result.sentence()


def test_many_ids_are_counted_and_the_first_are_named() -> None:
    result = AuditResult(START, END, compare(range(1, 100), []))
    assert "99 are in MySQL and not in Hive (ids 1, 2" in result.sentence()
    assert f", {NAMED_IDS}, …)" in result.sentence()
    assert result.as_json()["missing_ids"] == list(range(1, NAMED_IDS + 1))
    assert result.as_json()["missing"] == 99


def test_late_and_early_readings_are_looked_for_in_their_partitions() -> None:
    statement = hive_statement(Settings(), START, END)
    assert "event_date BETWEEN '2026-01-01' AND '2026-01-31'" in statement
    assert "inserted_at >= TIMESTAMP '2026-01-31 10:00:00.000'" in statement
    assert "inserted_at < TIMESTAMP '2026-01-31 11:00:00.000'" in statement
    assert "ORDER BY reading_id" in statement


def test_a_source_without_a_time_of_insertion_is_refused_with_what_to_do() -> None:
    settings = Settings(source=Source(inserted_at_column=""))
    with pytest.raises(ConfigurationError, match=r"source\.inserted_at_column"):
        audit_hour(settings, START, END)


def test_a_producer_that_has_read_the_ids_and_waits_for_none_of_them_has_passed() -> None:
    _require_read(ProducerPosition(100, [(101, 105)]), 50, 100)
    _require_read(ProducerPosition(200, [(10, 49), (101, 105)]), 50, 100)


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (ProducerPosition(99, []), "read up to id 99"),
        (ProducerPosition(200, [(60, 61)]), "waits for the ids 60 to 61"),
        (ProducerPosition(200, [(40, 50)]), "waits for the ids 40 to 50"),
    ],
)
def test_a_producer_behind_or_with_a_gap_in_the_interval_has_not(position: ProducerPosition, words: str) -> None:
    with pytest.raises(NotYetLandedError, match=words):
        _require_read(position, 50, 100)


def test_times_with_another_zone_are_the_same_moment() -> None:
    zone = timezone(timedelta(hours=2))
    local = hive_statement(Settings(), START.astimezone(zone).astimezone(UTC), END)
    assert local == hive_statement(Settings(), START, END)
