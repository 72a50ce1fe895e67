"""The audit of breaches: what should have been found among the readings and derived values of some time was found.

    python -m hive.breach_audit --from 2026-01-31T10:00:00Z --to 2026-01-31T11:00:00Z

Detection judges in Spark SQL; here the readings in Hive are judged once more by the pure function, with the threshold
snapshots that were in force, and compared by `breach_id` with `health.breaches`. It only reads.

While an edit came into force a reading may have been judged by either table; and that of a patient whose contact may
have changed by each birth date that a snapshot of the contacts had since, or as an adult's where one had none. A breach
is *due* only if every judgement that was possible finds it. Where the snapshot that was in force is not kept any more
(`contacts.keep_hours`), that is any age. Readings that were rejected are not judged again.
What no breach was published for is only counted and named as *unknown* if one of the possible judgements calls it none,
or a table that came into force before detection had surely passed the time, which the first breach after it says, as
detection may have been away until then; or, of a reading that was sent again, one of any time since.
A reading belongs to the time of its insertion, a derived value to the time for which it was computed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import orjson
import typer

from clinical import tables
from clinical.ages import age_years
from clinical.device import PROBED
from clinical.messages import breach_id
from clinical.tables import BREACHES, PATIENTS, VITAL_READINGS
from clinical.thresholds import ThresholdRow, judge, limits_for, own_limits
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, SENT_AGAIN, VITAL_INFO
from clinical.vitals import DERIVED, JUDGED, SIGNAL_QUALITY, VITALS, Vital, round_half_up
from hbase.snapshots import accepted_at, load, versions
from hive.audit import DEFAULT_WAIT_SECONDS, parse_time, recorded_and_inserted, told_by_status
from hive.birth_dates import UNKNOWN, BirthDates, birth_dates_since
from hive.client import HiveSession, hive_session
from hive.landed import wait_until_passed
from hive.suspicion import never_breaches, suspicious
from infra.kafka_io import committed_keys
from infra.log import configure_logging
from infra.settings import Settings, load_settings

SLACK = timedelta(seconds=15)
"""Around a switch either version counts: an edit is in force within 10 s, and clocks differ a little."""

CONTACTS_SLACK = timedelta(minutes=15)
"""A contact that changed later than this before the hour, or a snapshot that was replaced later, may have been another
when a reading was judged."""

DERIVED_SLACK = timedelta(minutes=10)
"""A derived value is judged once it was computed, so long after the time it is for at most."""

NAMED = 20
DETECTION = ("checkpoints", "detect-breaches")
LANDING = ("checkpoints", "land-vitals", BREACHES.name)
DERIVED_LANDING = ("checkpoints", "land-vitals", tables.DERIVED_VITALS.name)


class Thresholds(NamedTuple):
    """An accepted table and when it was in force at most: from `first` to `last`, None while it still is."""

    rows: Sequence[ThresholdRow]
    first: datetime
    last: datetime | None


class Value(NamedTuple):
    """A stored value of one attribute: a reading's, or a derived one. `at`: of its insertion, or what it is for."""

    source_id: str
    patient_id: str
    attribute: str
    value: Decimal
    recorded_on: date
    at: datetime


@dataclass(frozen=True)
class Patient:
    """What is known of a patient now. `changed_at`: when the source last changed it, None where it does not say."""

    born: date | None
    changed_at: datetime | None


Ages = Sequence[float | None] | None
"""The ages in years by which somebody may have been judged; None among them: an adult's. None for all: any age."""


class Due(NamedTuple):
    """A breach that should have been found."""

    topic: str
    source_id: str
    attribute: str

    def __str__(self) -> str:
        return f"{'reading' if self.topic == VITAL_INFO else 'derived value'} {self.source_id} {self.attribute}"


@dataclass
class BreachAudit:
    """What was found. `due`: breaches that every possible judgement finds; `missing`: those that were not published.

    `unknown`: how many values no breach was published for that one possible judgement calls a breach and another does
    not: of another age, or by a table of later, where they may have been judged late or again. The first are named.
    """

    start: datetime
    end: datetime
    due: int = 0
    published: int = 0
    unknown: int = 0
    missing: list[Due] = field(default_factory=list)
    unknown_first: list[Due] = field(default_factory=list)

    def leave_open(self, one: Due) -> None:
        """Count what could not be decided."""
        self.unknown += 1
        if len(self.unknown_first) < NAMED:
            self.unknown_first.append(one)

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "agrees": not self.missing,
            "due": self.due,
            "published": self.published,
            "unknown": self.unknown,
            "missing": len(self.missing),
            "missing_breaches": [str(one) for one in self.missing[:NAMED]],
            "unknown_breaches": [str(one) for one in self.unknown_first],
        }

    def sentence(self) -> str:
        """The finding for a person."""
        when = f"readings and derived values of {self.start:%Y-%m-%d %H:%M:%S} to {self.end:%Y-%m-%d %H:%M:%S} UTC"
        named = _named(self.unknown_first, self.unknown)
        undecided = f" Whether {self.unknown} more are due could not be decided: {named}." if self.unknown else ""
        if not self.missing:
            return f"All {self.due} breaches that are due among the {when} were published.{undecided}"
        named = _named(self.missing, len(self.missing))
        return f"{len(self.missing)} of {self.due} breaches among the {when} were never published: {named}.{undecided}"


def _named(some: Sequence[Due], count: int) -> str:
    return ", ".join(str(one) for one in some[:NAMED]) + (", …" if count > NAMED else "")


def audit_breaches(
    settings: Settings, start: datetime, end: datetime, wait_seconds: float = DEFAULT_WAIT_SECONDS
) -> BreachAudit:
    """Judge the readings inserted in `[start, end)`, and the values derived for that time, again.

    That is done once detection and landing have passed what Kafka holds. Raises NotYetLandedError when they have not
    within `wait_seconds` (detection, which says so at the end of an epoch only, an epoch later), ConfigurationError
    when a threshold snapshot is gone, UnavailableError when a server is away.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    wait_for_detection = wait_seconds + settings.spark.realtime_epoch_seconds
    wait_until_passed(settings, DETECTION, [VITAL_INFO, DERIVED_VITALS], "detect-breaches", wait_for_detection)
    wait_until_passed(settings, LANDING, [DOCTORS_QUEUE], "land-vitals", wait_seconds)
    wait_until_passed(settings, DERIVED_LANDING, [DERIVED_VITALS], "land-vitals", wait_seconds)
    found = BreachAudit(start, end)
    with hive_session(settings) as session:
        contacts = Contacts(settings, _patients(session), start)
        # What was sent again was judged later, by the table of that time.
        again = {name.removeprefix(f"{settings.source.table}:") for name in committed_keys(settings, SENT_AGAIN)}
        for source in (of_readings(settings, start, end), of_derived(start, end)):
            published, delay = _published(session, source)
            tables_then = thresholds_in_force(settings, start, end + max(delay, source.slack))
            judgement = Judgement(tables_then, max(delay, source.slack))
            found.published += len(published)
            rows_then = [row for table in tables_then for row in table.rows]
            unpublished: list[tuple[Value, bool]] = []
            for value in _values(session, source, suspicious(never_breaches(rows_then, source.catalogue))):
                verdict = judgement.of(value, contacts.ages(value))
                if verdict is Verdict.NONE:
                    continue
                if breach_id(source.topic, value.source_id, value.attribute) in published:
                    found.due += verdict is Verdict.BREACH
                elif verdict is Verdict.BREACH:
                    unpublished.append((value, source.topic == VITAL_INFO and value.source_id in again))
                else:
                    found.leave_open(_due(source, value))
            if not unpublished:
                continue
            judged_late = {
                sent_again: _judged_until(
                    settings, start, datetime.now(UTC) if sent_again else _passed_by(session, source, end)
                )
                for sent_again in {sent_again for _, sent_again in unpublished}
            }
            for value, sent_again in unpublished:
                if judged_late[sent_again].of(value, contacts.ages(value)) is Verdict.BREACH:
                    found.due += 1
                    found.missing.append(_due(source, value))
                else:
                    found.leave_open(_due(source, value))
    return found


def _due(source: Source, value: Value) -> Due:
    return Due(source.topic, value.source_id, value.attribute)


class Contacts:
    """By which ages values may have been judged, from `start` of the time that is audited until now."""

    def __init__(self, settings: Settings, now: Mapping[str, Patient], start: datetime) -> None:
        """`now`: the contacts as they are."""
        self._settings = settings
        self._now = now
        self._since = start - CONTACTS_SLACK

    def ages(self, value: Value) -> Ages:
        """Those of the value's patient at its time: one where the contact has not changed since.

        Else by the birth dates in the snapshots of contacts since then, as an adult's where one has none; None (any)
        where the snapshot of then is gone. Raises UnavailableError without HDFS.
        """
        patient = self._now.get(value.patient_id)
        if patient is not None and patient.changed_at is not None and patient.changed_at < self._since:
            born = frozenset({patient.born})
        elif self._birth_dates is None:
            return None
        else:
            born = self._birth_dates.get(value.patient_id, UNKNOWN)
            if patient is not None:
                born |= {patient.born}
        return [age_years(value.recorded_on, day) if day is not None else None for day in born]

    @cached_property
    def _birth_dates(self) -> BirthDates | None:
        return birth_dates_since(self._settings, self._since)


class Verdict(Enum):
    """What the possible judgements of a value come to; UNKNOWN: not the same."""

    BREACH = "breach"
    NONE = "none"
    UNKNOWN = "unknown"


Case = tuple[int, str | None, str, Decimal, float | None]
"""What decides a judgement: table, whose own limits (None: the general ones), attribute, value and age."""


class Judgement:
    """Judges values by every table and every age that may have been the one. Equal cases are judged once."""

    def __init__(self, tables: Sequence[Thresholds], delay: timedelta) -> None:
        """`delay`: the longest that detection took."""
        self._tables = tables
        self._delay = delay
        self._own = [own_limits(table.rows) for table in tables]
        self._known: dict[Case, bool] = {}

    def of(self, value: Value, ages: Ages) -> Verdict:
        """What every possible judgement of the value comes to, by these ages of its patient."""
        possible = [
            number
            for number, table in enumerate(self._tables)
            if value.at + self._delay + SLACK >= table.first and (table.last is None or value.at - SLACK < table.last)
        ]
        rounded = round_half_up(value.value, JUDGED[value.attribute].scale)
        outcomes = {
            self._is_breach((number, self._owner(number, value), value.attribute, rounded, age))
            for number in possible
            for age in (self._any_age(number, value) if ages is None else ages)
        }
        if len(outcomes) != 1:
            return Verdict.UNKNOWN
        return Verdict.BREACH if outcomes == {True} else Verdict.NONE

    def _any_age(self, number: int, value: Value) -> list[float | None]:
        """One age of each band of that table."""
        limits = limits_for(self._tables[number].rows, value.attribute, self._owner(number, value))
        return [float(row.low_age) for row in limits] or [None]

    def _owner(self, number: int, value: Value) -> str | None:
        """The patient, where that table has limits of the patient's own for the attribute."""
        return value.patient_id if (value.patient_id, value.attribute) in self._own[number] else None

    def _is_breach(self, case: Case) -> bool:
        if case not in self._known:
            number, owner, attribute, rounded, age = case
            row = judge(self._tables[number].rows, attribute, rounded, age, owner)
            self._known[case] = row is not None and row.alert_flag and row.direction != "normal"
        return self._known[case]


def _judged_until(settings: Settings, start: datetime, passed: datetime) -> Judgement:
    """By any table from `start` until detection had passed."""
    return Judgement(thresholds_in_force(settings, start, passed), passed - start)


def thresholds_in_force(settings: Settings, start: datetime, end: datetime) -> list[Thresholds]:
    """Every table that may have been in force between two times, newest first.

    Raises ConfigurationError when a snapshot cannot be read, UnavailableError.
    """
    tables: list[Thresholds] = []
    superseded: datetime | None = None
    for version in versions(settings):
        accepted = accepted_at(version)
        if accepted <= end + SLACK and (superseded is None or superseded > start - SLACK):
            tables.append(Thresholds(load(settings, version).rows, accepted, superseded))
        superseded = accepted
    return tables


class Source(NamedTuple):
    """What detection judges: `values`, HQL for those of some time, and `breaches`, HQL condition for what they gave.

    `at` is the column of `health.breaches` from which detection's delay counts; it took `slack` at least.
    """

    topic: str
    catalogue: Mapping[str, Vital]
    values: str
    breaches: str
    at: str
    slack: timedelta


def of_readings(settings: Settings, start: datetime, end: datetime) -> Source:
    """The readings that were inserted in `[start, end)`; of each, the values that are believed (`clinical.device`)."""
    where = recorded_and_inserted(settings, start, end)
    probed = ", ".join(f"'{name}'" for name in PROBED)
    contact = f"coalesce({SIGNAL_QUALITY} >= {settings.readings.least_signal_quality}, true)"
    values = (
        "SELECT reading_id, patient_id, attribute, value, CAST(recorded_at AS DATE), inserted_at"
        f" FROM {VITAL_READINGS.full_name}_long"
        f" WHERE {where} AND value IS NOT NULL AND (attribute NOT IN ({probed}) OR {contact})"
    )
    return Source(VITAL_INFO, VITALS, values, where, "inserted_at", timedelta())


def of_derived(start: datetime, end: datetime) -> Source:
    """The values that were derived for `[start, end)`."""
    values = (
        "SELECT derived_id, patient_id, attribute, value, CAST(computed_for AS DATE), computed_for"
        f" FROM {tables.DERIVED_VITALS.full_name} WHERE {_within(start, end, 'computed_for')} AND value IS NOT NULL"
    )
    breaches = _within(start, end, "recorded_at")
    return Source(DERIVED_VITALS, DERIVED, values, breaches, "recorded_at", DERIVED_SLACK)


def _within(start: datetime, end: datetime, column: str) -> str:
    """HQL condition on a table that is partitioned by the day of that column."""
    first, last = (f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'" for at in (start, end))
    days = f"event_date BETWEEN '{start:%Y-%m-%d}' AND '{end:%Y-%m-%d}'"
    return f"{days} AND {column} >= {first} AND {column} < {last}"


def _values(session: HiveSession, source: Source, condition: str) -> Iterator[Value]:
    for source_id, patient_id, attribute, value, day, at in session.run(f"{source.values} AND ({condition})").rows:
        on = date.fromisoformat(str(day))
        yield Value(str(source_id), patient_id, attribute, Decimal(str(value)), on, moment(at))


def _published(session: HiveSession, source: Source) -> tuple[set[str], timedelta]:
    """The breaches of a source that were published, and the longest that detection took for one."""
    statement = (
        f"SELECT breach_id, {source.at}, detected_at FROM {BREACHES.full_name}"
        f" WHERE {source.breaches} AND source_topic = '{source.topic}'"
    )
    found: set[str] = set()
    delay = timedelta()
    for identity, began, detected_at in session.run(statement).rows:
        found.add(identity)
        delay = max(delay, moment(detected_at) - moment(began))
    return found, delay


def _passed_by(session: HiveSession, source: Source, end: datetime) -> datetime:
    """When detection had passed `end` for all we know: it had found a breach of later. Now, where there is none."""
    later = _within(end, end + timedelta(days=1), source.at)
    statement = (
        f"SELECT detected_at FROM {BREACHES.full_name} WHERE {later} AND source_topic = '{source.topic}'"
        f" ORDER BY {source.at} LIMIT 1"
    )
    found = session.rows(statement)
    return max(end, moment(found[0][0])) if found else datetime.now(UTC)


def _patients(session: HiveSession) -> dict[str, Patient]:
    statement = f"SELECT patient_id, date_of_birth, updated_at FROM {PATIENTS.full_name}"
    return {
        patient: Patient(
            date.fromisoformat(str(born)) if born is not None else None,
            moment(changed) if changed is not None else None,
        )
        for patient, born, changed in session.run(statement).rows
    }


def moment(value: Any) -> datetime:
    """A TIMESTAMP as HiveServer2 gives it, which is in UTC."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return at.replace(tzinfo=UTC)


def main(
    start: Annotated[str, typer.Option("--from", help="First moment of insertion, ISO 8601; UTC unless it says so.")],
    end: Annotated[str, typer.Option("--to", help="End, not included.")],
    wait: Annotated[float, typer.Option(help="Seconds to wait until detection has passed.")] = DEFAULT_WAIT_SECONDS,
) -> None:
    """Judge the readings that MySQL took in between two times again: each breach must have been published.

    Prints the finding as JSON. Exit status: 0 all there, 1 one is missing, 75 not judged yet or a server away, 78 a
    wrong setting.
    """
    configure_logging()
    with told_by_status():
        result = audit_breaches(load_settings(), parse_time(start), parse_time(end), wait)
    print(orjson.dumps(result.as_json()).decode(), flush=True)
    if result.missing or result.unknown:
        print(result.sentence(), file=sys.stderr)
    if result.missing:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
