"""An alarm to start from, as `health.alarms` holds it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.history_rows import Row, Rows
from clinical.tables import ALARMS

STARTED = datetime(2026, 1, 31, 10, tzinfo=UTC)


def alarm(**changes: Any) -> Row:
    """A high alarm that was mailed and acknowledged after two minutes, and lasts; `changes` replace columns."""
    row = {
        "alarm_id": uuid.uuid4().hex,
        "patient_id": "P-0012",
        "ward": "Cardiology",
        "attribute": "heart_rate",
        "direction": "high",
        "phase": "acknowledged",
        "severity": "high",
        "peak_severity": "high",
        "started_at": STARTED,
        "raised_at": STARTED + timedelta(seconds=10),
        "last_breach_at": STARTED + timedelta(minutes=5),
        "ended_at": None,
        "end_reason": None,
        "breaches": 290,
        "last_value": 135.5,
        "opened_at": STARTED + timedelta(milliseconds=312),
        "first_told_at": STARTED + timedelta(seconds=11),
        "told_at": STARTED + timedelta(seconds=11),
        "mails": 1,
        "escalation": 0,
        "acknowledged_at": STARTED + timedelta(seconds=131),
        "acknowledged_by": "Dr Zoë Łukasz",
        "seconds_to_acknowledge": 120,
        "breach_id": "b" * 64,
        **changes,
    }
    return {name: row[name] for name in ALARMS.column_names}


def by_id(*rows: Row) -> Rows:
    return {row["alarm_id"]: row for row in rows}
