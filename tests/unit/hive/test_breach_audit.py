"""What is due, and what is only possible while an edit or an import comes into force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from clinical.ages import age_years
from clinical.messages import breach_id
from clinical.patient_limits import patient_rows
from clinical.thresholds import ThresholdRow, read_table
from clinical.topics import DERIVED_VITALS, VITAL_INFO
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from hive import birth_dates, breach_audit
from hive.breach_audit import (
    BreachAudit,
    Due,
    Judgement,
    Thresholds,
    Value,
    Verdict,
    audit_breaches,
    of_derived,
    of_readings,
)
from infra.settings import Settings
from sqoop.snapshots import version_of

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = START - timedelta(days=9)
SWITCH = START + timedelta(minutes=30)
MINUTE = timedelta(minutes=1)
ADULT, INFANT = date(1980, 5, 17), date(2025, 9, 30)
OF_AN_ADULT, OF_AN_INFANT = [age_years(START.date(), ADULT)], [age_years(START.date(), INFANT)]
ANY_AGE = None


TABLE, PROBLEMS = read_table(keyed(read_csv(DEFAULT_TABLE)))
SILENT = [replace(row, alert_flag=False) for row in TABLE]
"""The same table with every alert switched off."""

OWN = [*TABLE, *patient_rows(TABLE, "heart_rate", Decimal(95), Decimal(160), "P1", "Transplanted heart")]
"""The same table with limits of their own for the patient P1."""


def value(heart_rate: int, at: datetime = START, patient: str = "P1") -> Value:
    return Value("7", patient, "heart_rate", Decimal(heart_rate), recorded_on=at.date(), at=at)


def test_a_value_outside_its_band_is_due_by_the_patients_own_age() -> None:
    judgement = Judgement([Thresholds(TABLE, LONG_AGO, None)], timedelta())
    assert judgement.of(value(150), OF_AN_ADULT) is Verdict.BREACH
    assert judgement.of(value(72), OF_AN_ADULT) is Verdict.NONE
    assert judgement.of(value(130), OF_AN_INFANT) is Verdict.NONE
    assert judgement.of(value(72), OF_AN_INFANT) is Verdict.BREACH


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        (-60, Verdict.NONE),
        (-16, Verdict.NONE),
        (-14, Verdict.UNKNOWN),
        (0, Verdict.UNKNOWN),
        (14, Verdict.UNKNOWN),
        (16, Verdict.BREACH),
        (60, Verdict.BREACH),
    ],
)
def test_around_a_switch_a_breach_is_due_only_if_both_tables_find_it(seconds: int, verdict: Verdict) -> None:
    tables = [Thresholds(TABLE, SWITCH, None), Thresholds(SILENT, LONG_AGO, SWITCH)]
    judgement = Judgement(tables, timedelta())
    assert judgement.of(value(150, SWITCH + timedelta(seconds=seconds)), OF_AN_ADULT) is verdict


def test_when_detection_was_late_a_later_table_may_have_judged() -> None:
    tables = [Thresholds(SILENT, SWITCH, None), Thresholds(TABLE, LONG_AGO, SWITCH)]
    early = value(150, SWITCH - timedelta(minutes=5))
    assert Judgement(tables, timedelta()).of(early, OF_AN_ADULT) is Verdict.BREACH
    assert Judgement(tables, timedelta(minutes=10)).of(early, OF_AN_ADULT) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("heart_rate", "verdict"), [(125, Verdict.UNKNOWN), (72, Verdict.UNKNOWN), (250, Verdict.BREACH)]
)
def test_a_value_that_may_be_anybodys_is_due_only_if_every_age_finds_it(heart_rate: int, verdict: Verdict) -> None:
    """72 is a breach of the infant's bands alone, 125 of an adult's, 250 of every age."""
    judgement = Judgement([Thresholds(TABLE, LONG_AGO, None)], timedelta())
    assert judgement.of(value(heart_rate), ANY_AGE) is verdict


def test_a_patient_with_limits_of_their_own_is_judged_by_these_and_nobody_else_is() -> None:
    judgement = Judgement([Thresholds(OWN, LONG_AGO, None)], timedelta())
    for patient, rate, due in (("P1", 150, False), ("P2", 150, True), ("P1", 80, True), ("P2", 80, False)):
        assert (judgement.of(value(rate, patient=patient), OF_AN_ADULT) is Verdict.BREACH) is due
    assert judgement.of(value(80), ANY_AGE) is Verdict.BREACH, "their limits hold at any age"
    assert judgement.of(value(150), ANY_AGE) is Verdict.NONE


def test_while_limits_of_one_patient_come_into_force_a_breach_is_due_only_if_both_limits_find_it() -> None:
    judgement = Judgement([Thresholds(OWN, SWITCH, None), Thresholds(TABLE, LONG_AGO, SWITCH)], timedelta())
    verdicts = [judgement.of(value(rate, SWITCH), OF_AN_ADULT) for rate in (80, 120, 150, 250)]
    assert [verdict is Verdict.BREACH for verdict in verdicts] == [False, False, False, True]


def test_what_one_of_two_tables_does_not_judge_is_not_due_at_any_age() -> None:
    without = [row for row in TABLE if row.attribute != "heart_rate"]
    tables = [Thresholds(without, SWITCH, None), Thresholds(TABLE, LONG_AGO, SWITCH)]
    assert Judgement(tables, timedelta()).of(value(250, SWITCH), ANY_AGE) is Verdict.UNKNOWN


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


def test_the_finding_names_what_could_not_be_decided_and_agrees_all_the_same() -> None:
    found = BreachAudit(START, START + HOUR, due=3, published=3)
    for number in range(25):
        found.leave_open(Due(VITAL_INFO, str(number), "heart_rate"))
    assert (found.as_json()["unknown"], found.as_json()["agrees"]) == (25, True)
    assert found.as_json()["unknown_breaches"][:2] == ["reading 0 heart_rate", "reading 1 heart_rate"]
    assert "Whether 25 more are due could not be decided: reading 0 heart_rate, " in found.sentence()
    assert found.sentence().endswith("reading 19 heart_rate, ….")


@dataclass
class Hospital:
    """What the audit of breaches asks of Hive, HDFS and HBase, for one patient and one hour.

    `snapshots`: minutes after the beginning of the hour at which one of the contacts was made, and the birth date in it
    (KEPT_OUT: no contact). `contact`: born and when it changed last, as Hive has it now. `heart_rates` were read half
    an hour after the beginning. `edited`: minutes after the end of the hour at which all alerts were switched off.
    `later`: after how many minutes a breach of right after the hour was found.
    """

    snapshots: Mapping[float, date | str | None]
    contact: tuple[date | None, datetime | None] | None = None
    heart_rates: tuple[int, ...] = (140,)
    published: tuple[int, ...] = ()
    edited: float | None = None
    later: float | None = 1
    read: list[str] = field(default_factory=list)

    def run(self, statement: str) -> Any:
        return SimpleNamespace(rows=iter(self.rows(statement)))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        at = START + 30 * MINUTE
        if "FROM health.patients" in statement:
            return [("P1", *map(_shown, self.contact))] if self.contact else []
        if "_long" in statement:
            return [(rate, "P1", "heart_rate", rate, at.date(), _shown(at)) for rate in self.heart_rates]
        if "SELECT breach_id" in statement and f"'{VITAL_INFO}'" in statement:
            return [(breach_id(VITAL_INFO, str(rate), "heart_rate"), _shown(at), _shown(at)) for rate in self.published]
        if "SELECT detected_at" in statement:
            assert "inserted_at >= TIMESTAMP '2026-01-31 11:00:00.000000'" in statement
            return [] if self.later is None else [(_shown(START + HOUR + self.later * MINUTE),)]
        return []

    def in_force(self) -> Iterator[tuple[str, datetime, list[ThresholdRow]]]:
        if self.edited is not None:
            yield "edited", START + HOUR + self.edited * MINUTE, SILENT
        yield "first", LONG_AGO, list(TABLE)

    def versions(self) -> list[str]:
        return [version_of(START + minutes * MINUTE) for minutes in self.snapshots]

    def path(self, version: str) -> str:
        return version

    def contents(self, version: str, _columns: object) -> pa.Table:
        self.read.append(version)
        born = dict(zip(self.versions(), self.snapshots.values(), strict=True))[version]
        patients = {"other": ADULT} if born == KEPT_OUT else {"P1": born, "other": ADULT}
        kind = pa.schema([("patient_id", pa.string()), ("date_of_birth", pa.date32())])
        return pa.table({"patient_id": [*patients], "date_of_birth": [*patients.values()]}, schema=kind)

    def audit(self, monkeypatch: pytest.MonkeyPatch) -> BreachAudit:
        tables = {version: (accepted, rows) for version, accepted, rows in self.in_force()}
        monkeypatch.setattr(breach_audit, "wait_until_passed", lambda *_: None)
        monkeypatch.setattr(breach_audit, "committed_keys", lambda *_: set())
        monkeypatch.setattr(breach_audit, "hive_session", lambda _settings: nullcontext(self))
        monkeypatch.setattr(breach_audit, "versions", lambda _settings: [*tables])
        monkeypatch.setattr(breach_audit, "accepted_at", lambda version: tables[version][0])
        monkeypatch.setattr(breach_audit, "load", lambda _settings, version: SimpleNamespace(rows=tables[version][1]))
        kept = SimpleNamespace(versions=self.versions, path=self.path, read=self.contents)
        monkeypatch.setattr(birth_dates, "Snapshots", lambda _settings, _table: kept)
        return audit_breaches(Settings(), START, START + HOUR, 0)


KEPT_OUT = "no contact"


def _shown(at: date | datetime | None) -> str | None:
    """As HiveServer2 gives it."""
    return None if at is None else str(at).removesuffix("+00:00")


def missing(found: BreachAudit) -> list[str]:
    return [one.source_id for one in found.missing]


def undecided(found: BreachAudit) -> list[str]:
    return [one.source_id for one in found.unknown_first]


def test_the_breach_of_an_adult_who_was_admitted_within_the_hour_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    contact = (ADULT, START + 9 * MINUTE)
    admitted = Hospital({-120: KEPT_OUT, 10: ADULT}, contact, heart_rates=(72, 140))
    found = admitted.audit(monkeypatch)
    assert (missing(found), found.due, found.unknown) == (["140"], 1, 0)
    found = replace(admitted, published=(140,)).audit(monkeypatch)
    assert (missing(found), found.due, found.unknown) == ([], 1, 0)


def test_an_infant_who_was_admitted_within_the_hour_may_have_been_judged_as_an_adult(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contact = (INFANT, START + 9 * MINUTE)
    found = Hospital({-120: KEPT_OUT, 10: INFANT}, contact, heart_rates=(72, 130, 250)).audit(monkeypatch)
    assert (missing(found), undecided(found)) == (["250"], ["72", "130"])


def test_the_breach_of_an_adult_whose_row_was_deleted_since_is_due_and_no_infant_is_taken_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Hospital({-120: ADULT, 50: KEPT_OUT}, heart_rates=(72, 140)).audit(monkeypatch)
    assert (missing(found), found.unknown) == (["140"], 0)
    found = Hospital({-120: INFANT, 50: KEPT_OUT}, heart_rates=(72, 130)).audit(monkeypatch)
    assert (missing(found), undecided(found)) == ([], ["72", "130"])


def test_the_breach_of_a_patient_without_a_contact_is_that_of_an_adult(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Hospital({-120: KEPT_OUT}, heart_rates=(72, 140)).audit(monkeypatch)
    assert (missing(found), found.unknown) == (["140"], 0)


@pytest.mark.parametrize(("born", "due"), [(ADULT, "140"), (INFANT, "72")])
def test_a_source_that_does_not_say_when_a_contact_changed_is_judged_by_the_snapshots(
    born: date, due: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Hospital({-120: born, 20: born}, (born, None), heart_rates=(72, 140)).audit(monkeypatch)
    assert (missing(found), found.unknown) == ([due], 0)


@pytest.mark.parametrize("corrected_after", [20, 70])
@pytest.mark.parametrize(
    ("before", "now", "heart_rate"), [(INFANT, ADULT, 130), (ADULT, INFANT, 72), (None, INFANT, 72)]
)
def test_an_hour_does_not_fail_because_a_birth_date_was_corrected(
    before: date | None, now: date, heart_rate: int, corrected_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = (now, START + corrected_after * MINUTE)
    hospital = Hospital({-120: before, corrected_after + 1: now}, contact, heart_rates=(heart_rate, 250))
    found = hospital.audit(monkeypatch)
    assert (missing(found), undecided(found)) == (["250"], [str(heart_rate)])


def test_without_the_snapshot_of_then_every_age_is_possible_and_what_that_leaves_open_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contact = (ADULT, START + 9 * MINUTE)
    found = Hospital({-14: ADULT, 10: ADULT}, contact, heart_rates=(140, 250)).audit(monkeypatch)
    assert (missing(found), undecided(found)) == (["250"], ["140"])
    assert "could not be decided: reading 140 heart_rate." in found.sentence()


def test_of_a_contact_that_has_not_changed_since_no_snapshot_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = Hospital({-120: INFANT}, (ADULT, LONG_AGO))
    assert missing(hospital.audit(monkeypatch)) == ["140"]
    assert hospital.read == []


@pytest.mark.parametrize(("later", "is_missing"), [(1, True), (9, True), (11, False), (None, False)])
def test_a_table_that_came_into_force_after_detection_had_passed_the_hour_does_not_count(
    later: float | None, is_missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes after the hour all alerts were switched off; the first breach of later says when it had passed."""
    found = Hospital({-120: ADULT}, (ADULT, LONG_AGO), edited=10, later=later).audit(monkeypatch)
    assert (missing(found), undecided(found)) == ((["140"], []) if is_missing else ([], ["140"]))
