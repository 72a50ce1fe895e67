"""Readings, contacts and alarms to fill a live state with."""

from __future__ import annotations

from typing import Any

from alerts.alarms_table import AlarmRow
from alerts.bedside import Seen, Value
from dashboard.live.state import Contact, LiveState

NOW = 1_764_450_000_000
"""Epoch ms at which a clock stands."""


class Clock:
    """Epoch seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> float:
        return self.ms / 1000


def reading(patient_id: str, at: int, **vitals: float) -> Seen:
    """A reading that was measured and inserted at that time."""
    values = tuple(Value(name, value, at, "1") for name, value in vitals.items())
    return Seen(patient_id, at, values, device_id="monitor", signal_quality=95)


def unbelieved(patient_id: str, at: int, *attributes: str) -> Seen:
    """A reading whose values of these attributes are not believed."""
    return Seen(patient_id, at, (), device_id="monitor", signal_quality=5, unbelieved=attributes)


def observed(patient_id: str, at: int, **entered: float) -> Seen:
    """What people entered at that time: `on_oxygen`, and `consciousness` by its place in CONSCIOUSNESS."""
    return Seen(patient_id, at, (), observed=tuple(Value(name, value, at, "1") for name, value in entered.items()))


def score(patient_id: str, at: int, value: int, used: int = 7) -> Seen:
    return Seen(patient_id, at, (Value("news2", value, at, "1", used, 7),), is_reading=False)


def monitor(live: LiveState, patient_id: str, seconds: int = 5, end: int = NOW, **vitals: float) -> None:
    """A reading a second, until `end`."""
    given = vitals or {"heart_rate": 72, "spo2": 97}
    live.take(reading(patient_id, end - 1000 * ago, **given) for ago in range(seconds - 1, -1, -1))


def alarm(patient_id: str | None, severity: str = "high", /, **changes: Any) -> AlarmRow:
    """An active alarm about a low saturation."""
    row: dict[str, Any] = {
        "alarm_id": "a" * 32,
        "kind": "clinical",
        "patient_id": patient_id,
        "ward": "ICU",
        "attribute": "spo2",
        "direction": "low",
        "technical_kind": None,
        "detail": None,
        "phase": "active",
        "severity": severity,
        "peak_severity": severity,
        "started_at": NOW - 60_000,
        "raised_at": NOW - 50_000,
        "last_breach_at": NOW,
        "breaches": 60,
        "last_value": 82.0,
        "told_at": NOW - 50_000,
        "escalation": 0,
        "acknowledged_by": None,
        "acknowledged_until": None,
        "ended_at": None,
        "end_reason": None,
        **changes,
    }
    return AlarmRow(**row)


def technical(kind: str, key: str, **changes: Any) -> AlarmRow:
    row: dict[str, Any] = dict.fromkeys(("attribute", "direction", "phase", "peak_severity", "raised_at", "last_value"))
    row.update(changes, kind="technical", technical_kind=kind, technical_key=key, severity=None)
    return alarm(None, **row)


def admit(live: LiveState, **wards: str) -> None:
    """These patients are admitted, and called `Name of <id>`."""
    live.set_contacts({patient: Contact(f"Name of {patient}", ward) for patient, ward in wards.items()}, ())
