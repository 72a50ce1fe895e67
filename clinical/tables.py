"""Columns of the stored tables (Hive `health`), defined once: DDL, Spark jobs, audit and tests take them from here.

Types are written as both Hive and Spark SQL read them. Comments are plain ASCII, as the metastore's tables are Latin-1:
units are UCUM codes there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_type_hints

from clinical.messages import Breach
from clinical.vitals import DEVICE, VITALS

DATABASE = "health"
BEFORE_ANY_IMPORT = "empty"
"""Name of the directory to which the table of contacts points until its first import. It is no version: as text it
would be later than any."""

SNAPSHOT_VERSION = re.compile(r"\d{8}T\d{9}Z")
"""Name of the directory of a snapshot of the contacts that is whole: the time of its import. They sort by time."""

VITAL_TYPE = "DECIMAL(10,3)"


@dataclass(frozen=True)
class StoredColumn:
    """A column: its name, its SQL type and what it means."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class StoredTable:
    """A table of `health`.

    `partitions`: `event_date` (DATE as text, UTC) and perhaps `event_hour` of the column `time_column`. `id_column`
    names a record; `sort_columns` is the order within a compacted file.
    """

    name: str
    comment: str
    columns: tuple[StoredColumn, ...]
    partitions: tuple[StoredColumn, ...] = ()
    id_column: str = ""
    time_column: str = ""
    sort_columns: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{DATABASE}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def hourly(self) -> bool:
        """True when a partition is an hour, False when it is a day."""
        return EVENT_HOUR in self.partitions


def _columns(*rows: tuple[str, str, str]) -> tuple[StoredColumn, ...]:
    return tuple(StoredColumn(*row) for row in rows)


EVENT_DATE = StoredColumn("event_date", "STRING", "Day of the event, UTC, as YYYY-MM-DD")
EVENT_HOUR = StoredColumn("event_hour", "INT", "Hour of the event, UTC, 0 to 23")

_VITAL_COLUMNS = tuple(
    StoredColumn(vital.attribute, VITAL_TYPE, f"{vital.label} in {vital.ucum} (UCUM), LOINC {vital.loinc}")
    for vital in VITALS.values()
)

_DEVICE_COLUMNS = tuple(
    StoredColumn(own.attribute, VITAL_TYPE, f"{own.label} of the device in {own.ucum}") for own in DEVICE.values()
)

VITAL_READINGS = StoredTable(
    name="vital_readings",
    comment="Every accepted reading, once. A value that cannot be one is NULL here and in rejected_readings; what came"
    " with a signal_quality below the setting stands here and was not judged.",
    columns=(
        *_columns(
            ("reading_id", "BIGINT", "Key of the row in the source table"),
            ("patient_id", "STRING", "Patient, as in health.patients"),
            ("device_id", "STRING", "Device that measured"),
            ("recorded_at", "TIMESTAMP", "Time of measurement, UTC"),
            ("inserted_at", "TIMESTAMP", "Time of insertion into the source table, UTC"),
            ("recorded_at_is_receipt", "BOOLEAN", "True: the source has no time column, recorded_at is its receipt"),
        ),
        *_VITAL_COLUMNS,
        *_columns(
            ("on_oxygen", "BOOLEAN", "True: breathes supplemental oxygen"),
            ("consciousness", "STRING", "ACVPU: A alert, C new confusion, V voice, P pain, U unresponsive"),
            ("kafka_partition", "INT", "Partition of the message in the topic vital-info"),
            ("kafka_offset", "BIGINT", "Offset of the message in its partition"),
        ),
        *_DEVICE_COLUMNS,
    ),
    partitions=(EVENT_DATE, EVENT_HOUR),
    id_column="reading_id",
    time_column="recorded_at",
    sort_columns=("patient_id", "recorded_at"),
)

REJECTED_READINGS = StoredTable(
    name="rejected_readings",
    comment="What landing did not believe, and why: a row for each bad attribute; a NULL attribute: the whole reading",
    columns=_columns(
        ("reading_id", "BIGINT", "Key of the row in the source table, NULL when the message did not tell"),
        ("patient_id", "STRING", "Patient, NULL when the message did not tell"),
        ("attribute", "STRING", "The attribute that was rejected; NULL: the whole reading was"),
        ("reason", "STRING", "Why, as a sentence"),
        ("raw", "STRING", "The value as it came, at most 200 characters"),
        ("source_topic", "STRING", "Topic of the message"),
        ("source_partition", "INT", "Partition of the message"),
        ("source_offset", "BIGINT", "Offset of the message in its partition"),
        (
            "inserted_at",
            "TIMESTAMP",
            "Time of insertion into the source table, UTC, else of the message",
        ),
        ("rejected_at", "TIMESTAMP", "When landing rejected it, UTC"),
    ),
    partitions=(StoredColumn("event_date", "STRING", "Day of inserted_at, UTC, as YYYY-MM-DD"),),
    id_column="reading_id",
    time_column="inserted_at",
    sort_columns=("patient_id", "inserted_at"),
)

_BREACH_COMMENTS = {
    "breach_id": "SHA-256 of source topic, source id and attribute: each breach is here once",
    "source_topic": "Topic of the value that was judged",
    "source_id": "reading_id or derived_id of the value",
    "patient_id": "Patient, as in health.patients",
    "device_id": "Device that measured",
    "attribute": "Attribute outside its normal band",
    "value": "The value, rounded to the resolution of its attribute",
    "unit": "Unit of value and limits",
    "inputs_used": "How many inputs of a derived value were fresh; NULL: it was measured",
    "inputs_expected": "How many inputs the derived value has; NULL: it was measured",
    "direction": "low or high",
    "severity": "high, medium or low",
    "low_value": "Lower limit of the band that was hit, inclusive; NULL: open",
    "high_value": "Upper limit of the band that was hit, inclusive; NULL: open",
    "normal_low": "Lower limit of the normal band",
    "normal_high": "Upper limit of the normal band",
    "clear_margin": "How far inside the normal band a value must be to clear the alarm",
    "delay_seconds": "How long the breach must last before it alarms",
    "alert_message": "Message of the threshold row",
    "threshold_row": "Row key in HBase threshold_reference",
    "threshold_source": "Where the limits come from",
    "threshold_updated_by": "Who last changed the threshold row",
    "threshold_version": "Snapshot of the threshold table that judged",
    "patients_version": "Snapshot of the contacts that was joined",
    "contact_missing": "True: the patient was not in the snapshot of contacts",
    "name": "Patient's name at that time",
    "phone": "Patient's phone at that time",
    "address": "Patient's address at that time",
    "ward": "Ward of admission at that time",
    "age_years": "Age in years; NULL: unknown, judged by adult bands",
    "recorded_at": "Time of measurement, UTC",
    "recorded_at_is_receipt": "True: recorded_at is the time of receipt",
    "inserted_at": "Time of insertion into the source table, UTC",
    "detected_at": "Time of detection, UTC",
}
_SQL_TYPES = {str: "STRING", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}


def _breach_type(name: str, hint: object) -> str:
    if name.endswith("_at"):
        return "TIMESTAMP"
    plain = [kind for kind in (str, bool, int, float) if hint in (kind, kind | None)]
    return _SQL_TYPES[plain[0]] if plain else "STRING"


BREACHES = StoredTable(
    name="breaches",
    comment="Every record of the topic doctors-queue, each breach_id once",
    columns=tuple(
        StoredColumn(name, _breach_type(name, hint), _BREACH_COMMENTS[name])
        for name, hint in get_type_hints(Breach).items()
    ),
    partitions=(StoredColumn("event_date", "STRING", "Day of recorded_at, UTC, as YYYY-MM-DD"),),
    id_column="breach_id",
    time_column="recorded_at",
    sort_columns=("patient_id", "recorded_at"),
)

DERIVED_VITALS = StoredTable(
    name="derived_vitals",
    comment="Every record of the topic derived-vitals, each derived_id once",
    columns=_columns(
        ("derived_id", "STRING", "Identity of the value, stable over replays"),
        ("patient_id", "STRING", "Patient, as in health.patients"),
        ("attribute", "STRING", "Computed attribute"),
        ("value", VITAL_TYPE, "Its value, in the unit of the attribute"),
        ("computed_for", "TIMESTAMP", "Event time it was computed for, UTC"),
        ("inputs_used", "INT", "How many inputs were fresh"),
        ("inputs_expected", "INT", "How many inputs the attribute has"),
    ),
    partitions=(StoredColumn("event_date", "STRING", "Day of computed_for, UTC, as YYYY-MM-DD"),),
    id_column="derived_id",
    time_column="computed_for",
    sort_columns=("patient_id", "computed_for"),
)

ALARMS = StoredTable(
    name="alarms",
    comment="Every alarm of a patient, once, as it stood at the last full hour; without raised_at it is no alarm (yet)",
    columns=_columns(
        ("alarm_id", "STRING", "Identity of the alarm"),
        ("patient_id", "STRING", "Patient, as in health.patients"),
        ("ward", "STRING", "Ward, as its newest breach says; NULL: not known"),
        ("attribute", "STRING", "Attribute that is out of range"),
        ("direction", "STRING", "Side of the normal band: low or high"),
        ("phase", "STRING", "Where it stands: pending, active, acknowledged or ended"),
        ("severity", "STRING", "low, medium or high: now, or as it ended; NULL while pending"),
        ("peak_severity", "STRING", "The highest severity that it had; NULL: it was never active"),
        ("started_at", "TIMESTAMP", "Event time of its first breach, UTC"),
        ("raised_at", "TIMESTAMP", "Event time at which it became active, UTC; NULL: it never did"),
        ("last_breach_at", "TIMESTAMP", "Event time of its newest breach, UTC"),
        ("ended_at", "TIMESTAMP", "Event time at which it ended, UTC; NULL: it lasts"),
        ("end_reason", "STRING", "cleared, discharged or dropped (never active); NULL: it lasts"),
        ("breaches", "INT", "How many breaches it has counted"),
        ("last_value", "DOUBLE", "Value of its newest breach, in the unit of the attribute"),
        ("opened_at", "TIMESTAMP", "When the alert engine first recorded it, by the clock, UTC"),
        ("first_told_at", "TIMESTAMP", "When the first mail about it was decided, by the clock, UTC; NULL: never"),
        ("told_at", "TIMESTAMP", "When the last mail about it was decided, by the clock, UTC; NULL: never"),
        ("mails", "INT", "How many mails spoke of it"),
        ("escalation", "INT", "Highest level of these mails; 0: never escalated"),
        ("acknowledged_at", "TIMESTAMP", "First acknowledgement, by the clock, UTC; NULL: never"),
        ("acknowledged_by", "STRING", "Author of the newest acknowledgement, a member of staff"),
        (
            "seconds_to_acknowledge",
            "BIGINT",
            "From the first mail (without one: from raised_at) to the first acknowledgement, in s",
        ),
        ("breach_id", "STRING", "The breach that began it, in health.breaches: limits, threshold row, unit"),
    ),
    partitions=(StoredColumn("event_date", "STRING", "Day of started_at, UTC, as YYYY-MM-DD"),),
    id_column="alarm_id",
    time_column="started_at",
    sort_columns=("patient_id", "started_at"),
)

PATIENTS = StoredTable(
    name="patients",
    comment="Contacts of the patients as of the last import; the location is switched by each import",
    columns=_columns(
        ("patient_id", "STRING", "Identity of the patient"),
        ("name", "STRING", "Full name"),
        ("address", "STRING", "Postal address"),
        ("phone", "STRING", "Phone number"),
        ("admitted_ward", "STRING", "Ward of admission"),
        ("date_of_birth", "DATE", "Date of birth"),
        ("sex", "STRING", "Sex as the source writes it"),
        ("spo2_scale", "INT", "NEWS2 SpO2 scale: 1, or 2 when prescribed"),
        ("pregnant", "BOOLEAN", "True: pregnant, NEWS2 does not apply"),
        ("other_details", "STRING", "Free text"),
        ("updated_at", "TIMESTAMP", "Last change in the source, UTC"),
        ("discharged_at", "TIMESTAMP", "Time of discharge, UTC; NULL: still admitted"),
    ),
    id_column="patient_id",
)

TABLES: dict[str, StoredTable] = {
    table.name: table for table in (VITAL_READINGS, REJECTED_READINGS, BREACHES, DERIVED_VITALS, ALARMS, PATIENTS)
}
