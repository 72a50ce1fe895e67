"""An alarm in words, for the command and the page that show one. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from alerts.alarms_table import AlarmRow
from alerts.entries import as_moment


def acknowledged(alarm: AlarmRow, zone: ZoneInfo) -> str:
    """Who acknowledged it last, and until when that holds."""
    until = f" until {as_moment(alarm.acknowledged_until, zone)}" if alarm.acknowledged_until else ""
    return f"{alarm.acknowledged_by or ''}{until}"


def facts(alarm: AlarmRow, zone: ZoneInfo) -> list[tuple[str, str]]:
    """What there is to say of it: a name and a value each."""

    def moment(at: int | None) -> str:
        return "" if at is None else f"{as_moment(at, zone)} {zone.key}"

    found = [
        ("Alarm", alarm.alarm_id),
        ("What", alarm.what),
        ("Detail", alarm.detail or ""),
        ("Severity", alarm.severity_shown),
        ("At its worst", alarm.peak_severity or ""),
        ("State", alarm.state + (f", {alarm.end_reason}" if alarm.end_reason else "")),
        ("Acknowledged by", acknowledged(alarm, zone) if alarm.acknowledged_by else ""),
        ("Ward", alarm.ward or ""),
        ("Patient id", alarm.patient_id or ""),
        ("First value", moment(alarm.started_at)),
        ("Raised", moment(alarm.raised_at)),
        ("Last value", f"{moment(alarm.last_breach_at)}, {alarm.breaches} out of range"),
        ("Last told", moment(alarm.told_at) + (f", escalation {alarm.escalation}" if alarm.escalation else "")),
        ("Over", moment(alarm.ended_at)),
    ]
    return [(name, value) for name, value in found if value]
