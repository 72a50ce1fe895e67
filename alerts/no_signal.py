"""Technical alarms about signals that were lost, for nurses and ops, and about a pipeline that is late as a whole.

They say nothing about the patient and are kept apart from patients' alarms, which missing data never clears.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pymysql.cursors import Cursor

from alerts.database import digest
from alerts.expected import changed_seconds_of
from alerts.message import UNKNOWN_WARD, Style, label, local_time, one_line
from alerts.technical import close_row, open_row, technical
from alerts.ward_mail import NO_SIGNAL
from clinical.device import PROBED
from clinical.messages import TechnicalAlarm
from clinical.presence import FORGOTTEN_SECONDS, Ending, Presence, Signal, SignalChanges
from infra.settings import Settings

ESCAPED_MAX = 300
SIGNS = {"25": "%", "3A": ":", "%": "%", ".": ":"}
"""What follows a `%` in a key, and what it means."""

PIPELINE_LATE = "pipeline_late"
WHOLE = "all"
"""What stands after PIPELINE_LATE in its key."""

HELD = "no_signal_silenced"
"""Kind of what stands for a lost signal of which a silence keeps nurses and ops from being told."""


@dataclass(frozen=True)
class SignalAlarms:
    """Alarms to record, in their order; `wards` names the ward of each that is raised, by its key. `held`: the signals
    that a silence keeps from being told, and since when they are lost; None: they are as before."""

    alarms: list[TechnicalAlarm] = field(default_factory=list)
    wards: dict[str, str] = field(default_factory=dict)
    held: Mapping[Signal, int] | None = None


def presence_of(settings: Settings, now: int) -> Presence:
    """A Presence by the settings. Raises ConfigurationError for an attribute that does not exist."""
    return Presence(now, changed_seconds_of(settings), settings.alerts.pipeline_late_seconds)


def signal_key(signal: Signal) -> str:
    """Key of the alarm about a signal: `no_signal:<patient>[:<attribute>]`, a colon in the patient's id as %3A; where
    that has no room in the table, as `%.`."""
    patient = signal.patient_id.replace("%", "%25").replace(":", "%3A")
    if len(patient) > ESCAPED_MAX:
        patient = signal.patient_id.replace("%", "%%").replace(":", "%.")
    return f"{NO_SIGNAL}:{patient}" + (f":{signal.attribute}" if signal.attribute else "")


def signal_of(alarm_key: str) -> Signal:
    """The signal that an alarm of that key is about."""
    patient, _, attribute = alarm_key.removeprefix(f"{NO_SIGNAL}:").partition(":")
    return Signal(re.sub("%(%|[.]|25|3A)", lambda sign: SIGNS[sign[1]], patient), attribute or None)


def lost_before(cursor: Cursor, kind: str = NO_SIGNAL) -> dict[Signal, int]:
    """Signals whose alarm is open, with the time of their last reading (epoch ms), for `Presence.restore`. `kind` HELD:
    those of which nobody was told."""
    cursor.execute(
        "SELECT technical_key, started_at FROM alarms"
        " WHERE kind = 'technical' AND technical_kind = %s AND open_key IS NOT NULL",
        (kind,),
    )
    return {signal_of(key): since for key, since in cursor.fetchall()}


def record_held(cursor: Cursor, held: Mapping[Signal, int], now: int) -> None:
    """Record exactly these as held, without a mail: a restart during the silence does not forget them."""
    known = lost_before(cursor, HELD)
    for signal in known.keys() - held.keys():
        close_row(cursor, _held_key(signal), now)
    for signal in held.keys() - known.keys():
        what = label(signal.attribute) if signal.attribute else "Every signal"
        detail = (
            f"{what} of patient {one_line(signal.patient_id)} was lost during a silence. It is told when that is over, "
            "if it has not come back."
        )
        alarm = technical(HELD, signal.patient_id, detail, held[signal])
        open_row(cursor, {**alarm, "alarm_key": signal_key(signal)}, _held_key(signal))


def _held_key(signal: Signal) -> bytes:
    return digest(HELD, signal_key(signal))


def signal_alarms(
    changes: SignalChanges,
    ward_of: Callable[[str], str | None],
    is_discharged: Callable[[str], bool],
    poor: Mapping[str, float],
    now: int,
    style: Style,
) -> SignalAlarms:
    """Alarms to raise for signals that were lost, and to clear for those that ended. `now`: epoch ms.

    `poor`: the signal quality (%) of those patients whose newest reading was not believed because of it. A patient who
    has left is not waited for. Of one whose ward is not known every ward is told.
    """
    made = SignalAlarms()
    for signal, ending in changes.ended.items():
        made.alarms.append(_alarm(signal, _ended(signal, ending), now, cleared=True))
    for signal, since in changes.lost.items():
        if is_discharged(signal.patient_id):
            continue
        ward = one_line(ward_of(signal.patient_id)) or UNKNOWN_WARD
        detail = _lost(signal, ward, local_time(since, style.zone), poor.get(signal.patient_id))
        alarm = _alarm(signal, detail, since, cleared=False)
        made.alarms.append(alarm)
        made.wards[alarm["alarm_key"]] = ward
    return made


def pipeline_alarms(late_seconds: float | None, is_raised: bool, now: int) -> list[TechnicalAlarm]:
    """The alarm to raise or clear, by what `Presence.pipeline_late` says; none while it cannot tell, or as before."""
    if late_seconds is None or bool(late_seconds) == is_raised:
        return []
    if not late_seconds:
        return [technical(PIPELINE_LATE, WHOLE, "Readings come in time again.", now, cleared=True)]
    detail = (
        f"The newest reading of any patient was inserted {late_seconds:.0f} s ago: nobody's values are judged as they "
        "are now, and silent devices are not found. Look at `./ward status`: is the source written to, do the vitals "
        "producer and Kafka run? Until this is over, watch the patients' monitors."
    )
    return [technical(PIPELINE_LATE, WHOLE, detail, now)]


def _alarm(signal: Signal, detail: str, at: int, cleared: bool) -> TechnicalAlarm:
    alarm = technical(NO_SIGNAL, signal.patient_id, detail, at, cleared)
    return {**alarm, "alarm_key": signal_key(signal)}


def patient_on_ward(patient: str, ward: str) -> str:
    """Whom an alarm is about: by id, no name."""
    return f"patient {one_line(patient)} ({ward if ward == UNKNOWN_WARD else f'ward {ward}'})"


def _lost(signal: Signal, ward: str, since: str, poor: float | None) -> str:
    patient = patient_on_ward(signal.patient_id, ward)
    if poor is not None and (signal.attribute is None or signal.attribute in PROBED):
        what = f"No {label(signal.attribute).lower()}" if signal.attribute else "Nothing"
        return (
            f"{what} that can be believed has come from the devices of {patient} since {since}: the monitor reports "
            f"a signal quality of {poor:.0f} %, so its values are not judged. "
            "Look at the patient, then for a loose probe or electrode."
        )
    if signal.attribute is None:
        return (
            f"Nothing has come from the devices of {patient} since {since}: "
            "look at the patient, then at the monitor, its power and its network."
        )
    return (
        f"{label(signal.attribute)} of {patient} has not come since {since}, while other values do: "
        "look at the patient, then at the probe or sensor and its cable."
    )


def _ended(signal: Signal, ending: Ending) -> str:
    what = f"{label(signal.attribute)} of patient" if signal.attribute else "Values of patient"
    what = f"{what} {one_line(signal.patient_id)}"
    match ending:
        case Ending.RETURNED:
            return f"{what}: received again."
        case Ending.COVERED:
            return f"{what}: now nothing at all comes from the patient's devices, which is an alarm of its own."
        case Ending.FORGOTTEN:
            hours = FORGOTTEN_SECONDS // 3600
            return f"{what}: no longer waited for, as the patient has left or nothing has come for {hours} hours."
