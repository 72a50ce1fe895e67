"""One schema a topic, shared by producers, Spark jobs, Hive tables, consumers and tests.

Messages are JSON objects; times are epoch milliseconds, UTC. A field that is absent is null.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypedDict

from clinical.vitals import REPORTED

Direction = Literal["low", "normal", "high"]
Severity = Literal["high", "medium", "low"]

WATCHDOG_PATIENT = "wardwatch-watchdog"
"""Reserved: no patient, but the id under which Wardwatch sends itself a reading each minute, to see that an alarm would
come through to SNS. Its readings and breaches have this Kafka key; they are never landed and never make an alarm."""

ID_MAX = 128
"""Characters of a patient's or device's id. A reading with a longer one is rejected, since what reads it holds no more:
HBase as a key, MySQL in a column, Kafka in a breach."""

READING_FIELDS: tuple[str, ...] = (
    "reading_id",
    "patient_id",
    "device_id",
    "recorded_at",
    "inserted_at",
    "recorded_at_is_receipt",
    *REPORTED,
)
"""`vital-info`: one row of the source table.

`reading_id` is the key of the source row (integer). `recorded_at`, `inserted_at`: epoch ms. `recorded_at_is_receipt`
(boolean): the source has no time column, so the time of receipt stands there. The vitals are JSON numbers, or the
source's own text where that is no number (landing rejects it with the reason); `on_oxygen` boolean; `consciousness`
one of A, C, V, P, U. The Kafka key is `patient_id`, null when the source has none.
"""

DERIVED_FIELDS: tuple[str, ...] = (
    "derived_id",
    "patient_id",
    "attribute",
    "value",
    "computed_for",
    "inputs_used",
    "inputs_expected",
)
"""`derived-vitals`: a computed attribute. `derived_id` is unique and stable over replays; `computed_for` is the event
time (epoch ms); `inputs_used` of `inputs_expected` were fresh."""


class Breach(TypedDict):
    """`doctors-queue`: a value outside its normal band, with everything a consumer needs to judge it later.

    A breach may be published more than once after a restart; `breach_id` is then the same: consumers drop repeats.
    Limits are of the band that was hit (`low_value`, `high_value`: inclusive, null = open) and of the normal band,
    with the bands next to it that do not alarm.
    Times: epoch ms. `age_years` null: unknown, judged by adult bands. `contact_missing`: the patient is not in the
    snapshot of contacts; name, phone, address and ward are then null. `inputs_used` of `inputs_expected`: of a derived
    value, else null.
    """

    breach_id: str
    source_topic: str
    source_id: str
    patient_id: str
    device_id: str | None
    attribute: str
    value: float
    unit: str
    inputs_used: int | None
    inputs_expected: int | None
    direction: Direction
    severity: Severity
    low_value: float | None
    high_value: float | None
    normal_low: float | None
    normal_high: float | None
    clear_margin: float
    delay_seconds: int
    alert_message: str
    threshold_row: str
    threshold_source: str
    threshold_updated_by: str | None
    threshold_version: str
    patients_version: str | None
    contact_missing: bool
    name: str | None
    phone: str | None
    address: str | None
    ward: str | None
    age_years: float | None
    recorded_at: int
    recorded_at_is_receipt: bool
    inserted_at: int
    detected_at: int


BREACH_FIELDS: tuple[str, ...] = tuple(Breach.__annotations__)


class TechnicalAlarm(TypedDict):
    """`technical-alarms`: something ops must look at. Key: `alarm_key`, which stays the same while the cause lasts.

    `source` is the stream that says it, `kind` a fixed word (for example `threshold_table_invalid`), `detail` a
    sentence that says what, where and what to do, without any direct identifier of a patient. `raised_at`: epoch ms.
    `cleared`: the cause has gone.
    """

    alarm_key: str
    source: str
    kind: str
    detail: str
    raised_at: int
    cleared: bool


def breach_id(source_topic: str, source_id: str, attribute: str) -> str:
    """Identity of a judgement: not of the limits, so that the first judgement wins.

    SHA-256 (hex) of `topic|id|attribute`; Spark computes the same with `sha2(concat_ws('|', …), 256)`.
    """
    return hashlib.sha256(f"{source_topic}|{source_id}|{attribute}".encode()).hexdigest()
