"""An alarm to start from, as people look at it."""

from __future__ import annotations

from typing import Any

from alerts.alarms_table import AlarmRow
from tests.unit.alerts.breaches import RECORDED

ALARM_ID = "0123456789abcdef0123456789abcdef"


def alarm_row(**changes: Any) -> AlarmRow:
    """An active high alarm of a heart rate; `changes` replace fields."""
    fields: dict[str, Any] = {
        "alarm_id": ALARM_ID,
        "kind": "clinical",
        "patient_id": "P-0012",
        "ward": "Cardiology",
        "attribute": "heart_rate",
        "direction": "high",
        "technical_kind": None,
        "detail": None,
        "phase": "active",
        "severity": "high",
        "peak_severity": "high",
        "started_at": RECORDED,
        "raised_at": RECORDED + 2000,
        "last_breach_at": RECORDED + 60_000,
        "breaches": 60,
        "last_value": 135.0,
        "told_at": RECORDED + 2500,
        "escalation": 0,
        "acknowledged_by": None,
        "acknowledged_until": None,
        "ended_at": None,
        "end_reason": None,
        **changes,
    }
    return AlarmRow(**fields)
