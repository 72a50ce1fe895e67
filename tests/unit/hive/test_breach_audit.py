"""What is due, and what is only possible while an edit or an import comes into force."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from clinical.patient_limits import patient_rows
from clinical.thresholds import read_table
from clinical.topics import DERIVED_VITALS, VITAL_INFO
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from hive.breach_audit import (
    BreachAudit,
    Due,
    Judgement,
    Patient,
    Thresholds,
    Value,
    of_derived,
    of_readings,
)
from infra.settings import Settings

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = START - timedelta(days=9)
SWITCH = START + timedelta(minutes=30)
ADULT = Patient(date(1980, 5, 17), LONG_AGO)
INFANT = Patient(date(2025, 9, 30), LONG_AGO)


TABLE, PROBLEMS = read_table(keyed(read_csv(DEFAULT_TABLE)))
SILENT = [replace(row, alert_flag=False) for row in TABLE]
"""The same table with every alert switched off."""

OWN = [*TABLE, *patient_rows(TABLE, "heart_rate", Decimal(95), Decimal(160), "P1", "Transplanted heart")]
"""The same table with limits of their own for the patient P1."""


def value(heart_rate: int, at: datetime = START, patient: str = "P1") -> Value:
    return Value("7", patient, "heart_rate", Decimal(heart_rate), recorded_on=at.date(), at=at)


def test_a_value_outside_its_band_is_due_by_the_patients_own_age() -> None:
    judgement = Judgement([Thresholds(TABLE, LONG_AGO, None)], timedelta(), START)
    assert judgement.is_due(value(150), ADULT)
    assert not judgement.is_due(value(72), ADULT)
    assert not judgement.is_due(value(130), INFANT)
    assert judgement.is_due(value(72), INFANT)


@pytest.mark.parametrize(
    ("seconds", "due"), [(-60, False), (-16, False), (-14, False), (0, False), (14, False), (16, True), (60, True)]
)
def test_around_a_switch_a_breach_is_due_only_if_both_tables_find_it(seconds: int, due: bool) -> None:
    tables = [Thresholds(TABLE, SWITCH, None), Thresholds(SILENT, LONG_AGO, SWITCH)]
    judgement = Judgement(tables, timedelta(), START)
    assert judgement.is_due(value(150, SWITCH + timedelta(seconds=seconds)), ADULT) is due


def test_when_detection_was_late_a_later_table_may_have_judged() -> None:
    tables = [Thresholds(SILENT, SWITCH, None), Thresholds(TABLE, LONG_AGO, SWITCH)]
    early = value(150, SWITCH - timedelta(minutes=5))
    assert Judgement(tables, timedelta(), START).is_due(early, ADULT)
    assert not Judgement(tables, timedelta(minutes=10), START).is_due(early, ADULT)


@pytest.mark.parametrize(("heart_rate", "due"), [(125, False), (72, False), (250, True)])
def test_a_contact_that_changed_of_late_may_have_been_unknown(heart_rate: int, due: bool) -> None:
    """72 is a breach of the infant's bands alone, 125 of an adult's, 250 of every age."""
    judgement = Judgement([Thresholds(TABLE, LONG_AGO, None)], timedelta(), START)
    fresh = Patient(INFANT.born, START - timedelta(minutes=1))
    assert judgement.is_due(value(heart_rate), fresh) is due


def test_a_patient_with_limits_of_their_own_is_judged_by_these_and_nobody_else_is() -> None:
    judgement = Judgement([Thresholds(OWN, LONG_AGO, None)], timedelta(), START)
    for patient, rate, due in (("P1", 150, False), ("P2", 150, True), ("P1", 80, True), ("P2", 80, False)):
        assert judgement.is_due(value(rate, patient=patient), ADULT) is due
    fresh = Patient(ADULT.born, START)
    assert judgement.is_due(value(80), fresh), "their limits hold at any age"
    assert not judgement.is_due(value(150), fresh)


def test_while_limits_of_one_patient_come_into_force_a_breach_is_due_only_if_both_limits_find_it() -> None:
    judgement = Judgement([Thresholds(OWN, SWITCH, None), Thresholds(TABLE, LONG_AGO, SWITCH)], timedelta(), START)
    assert [judgement.is_due(value(rate, SWITCH), ADULT) for rate in (80, 120, 150, 250)] == [False, False, False, True]


def test_what_one_of_two_tables_does_not_judge_is_not_due_at_any_age() -> None:
    without = [row for row in TABLE if row.attribute != "heart_rate"]
    tables = [Thresholds(without, SWITCH, None), Thresholds(TABLE, LONG_AGO, SWITCH)]
    assert not Judgement(tables, timedelta(), START).is_due(value(250, SWITCH), Patient(ADULT.born, START))


def test_readings_are_taken_from_the_time_of_their_insertion() -> None:
    assert "inserted_at < TIMESTAMP '2026-01-31 11:00:00.000'" in of_readings(Settings(), START, START + HOUR).values


def test_derived_values_are_taken_from_the_days_they_were_computed_for() -> None:
    source = of_derived(START, START + HOUR)
    assert "event_date BETWEEN '2026-01-31' AND '2026-01-31'" in source.values
    assert "computed_for < TIMESTAMP '2026-01-31 11:00:00.000000'" in source.values
    assert "recorded_at < TIMESTAMP '2026-01-31 11:00:00.000000'" in source.breaches


def test_the_finding_names_what_was_missed() -> None:
    missed = [Due(VITAL_INFO, "41", "spo2"), Due(DERIVED_VITALS, "P1|news2|7", "news2")]
    found = BreachAudit(START, START + HOUR, due=3, published=2, missing=missed)
    assert found.as_json()["missing_breaches"] == ["reading 41 spo2", "derived value P1|news2|7 news2"]
    assert not found.as_json()["agrees"]
    assert "2 of 3 breaches" in found.sentence()
    assert "reading 41 spo2" in found.sentence()
