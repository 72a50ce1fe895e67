"""The texts of an email. Pure: a breach and its alarm in, subject and body out.

A subject is below 100 ASCII characters on one line (SNS demands it) and never holds a name, phone or address.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from clinical.alarms import AlarmState, Notice
from clinical.messages import Breach, TechnicalAlarm
from clinical.vitals import JUDGED, round_half_up

SUBJECT_MAX = 99
LINE_MAX = 500
"""Longest text of others that goes into a mail: SNS refuses a message above 256 KiB."""

STALE_MS = 120_000
"""A mail about a value older than this says so in its first lines."""

UNKNOWN_WARD = "ward unknown"
NOT_ON_RECORD = "not on record"
NOT_IMPORTED = "contact not imported yet"
REPLACED = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L"})
"""Letters that have no decomposition into a plain letter and an accent."""

DISCLAIMER = "Wardwatch is not a medical device. Look at the patient, not only at this mail."


@dataclass(frozen=True)
class Style:
    """How mails are written: the zone of their times, and whether they hold name, phone and address."""

    zone: ZoneInfo
    direct_identifiers: bool = True


@dataclass(frozen=True)
class Mail:
    """A subject (ASCII, one line, at most 99 characters) and a plain text body."""

    subject: str
    body: str


def clinical_mail(
    breach: Breach, state: AlarmState, notice: Notice, notification_id: str, now: int, style: Style
) -> Mail:
    """The mail about a breach; `state` is its alarm with the breach counted, `now` epoch ms."""
    lines = [
        *_headline(breach, state, notice, now, style),
        "",
        *_measurement(breach, style),
        "",
        *_patient(breach, style),
        "",
        *_references(breach, notification_id, style),
    ]
    return Mail(_clinical_subject(breach, notice), "\n".join(lines) + "\n")


def technical_mail(alarm: TechnicalAlarm, cleared: bool, notification_id: str, now: int, style: Style) -> Mail:
    """The mail to ops when a technical alarm is raised, or when its cause has gone."""
    state = "CLEARED" if cleared else "TECHNICAL"
    what = alarm["kind"].replace("_", " ")
    subject = clip(ascii_line(f"[{state}] {what} ({alarm['source']})"), SUBJECT_MAX)
    first = f"Over: {what}." if cleared else f"Technical alarm: {what}."
    lines = [
        first,
        one_line(alarm["detail"]),
        "",
        _row("Since", local_time(alarm["raised_at"], style.zone)),
        *([_row("Cleared", local_time(now, style.zone))] if cleared else []),
        _row("Said by", one_line(alarm["source"])),
        _row("Cause", one_line(alarm["alarm_key"])),
        _row("Notification", notification_id),
    ]
    return Mail(subject, "\n".join(lines) + "\n")


def _clinical_subject(breach: Breach, notice: Notice) -> str:
    mark = {Notice.REMINDER: "reminder: ", Notice.WORSE: "worse: "}.get(notice, "")
    number = number_text(breach["attribute"], breach["value"])
    measured = f"{label(breach['attribute'])[:30]} {at_least(breach)}{number} {breach['unit'][:8]}".strip()
    head = to_ascii(f"[{breach['severity'].upper()}] {mark}{measured} {breach['direction']}, ")
    ward = ascii_line(f"ward {one_line(breach['ward'])}") if one_line(breach["ward"]) else UNKNOWN_WARD
    patient = ascii_line(breach["patient_id"])
    room = SUBJECT_MAX - len(head) - len(", patient ")
    patient = clip(patient, max(room - len(ward), room // 2))
    return f"{head}{clip(ward, room - len(patient))}, patient {patient}"


def _headline(breach: Breach, state: AlarmState, notice: Notice, now: int, style: Style) -> list[str]:
    side = "below" if breach["direction"] == "low" else "above"
    measured = f"{label(breach['attribute'])} {at_least(breach)}{value_text(breach, breach['value'])}"
    lines = [f"{breach['severity'].upper()}: {measured} is {side} its normal range.", one_line(breach["alert_message"])]
    if at_least(breach):
        known = f"{breach['inputs_used']} of {breach['inputs_expected']}"
        lines.append(f"Only {known} inputs were known, so the true value is this or higher.")
    if notice is Notice.REMINDER:
        since = local_time(state.started_at, style.zone)
        lines.append(f"Reminder: out of range since {since}, {state.breaches} values so far.")
    elif notice is Notice.WORSE:
        lines.append("More severe than in the mail before.")
    age = now - breach["recorded_at"]
    if age > STALE_MS:
        lines.append(f"This value is {age // 60_000} minutes old: it reached the system late.")
    return lines


def _measurement(breach: Breach, style: Style) -> list[str]:
    kind = " (time of receipt: the source has none)" if breach["recorded_at_is_receipt"] else ""
    author = breach["threshold_updated_by"]
    source = "; ".join(
        part
        for part in (one_line(breach["threshold_source"]), f"last changed by {one_line(author)}" if author else "")
        if part
    )
    return [
        _row("Value", f"{at_least(breach)}{value_text(breach, breach['value'])} ({breach['direction']})"),
        _row("Recorded", local_time(breach["recorded_at"], style.zone) + kind),
        _row("Limits hit", band_text(breach, breach["low_value"], breach["high_value"])),
        _row("Normal", band_text(breach, breach["normal_low"], breach["normal_high"])),
        _row("Rule", f"{one_line(breach['threshold_row'])} ({source or 'no source given'})"),
    ]


def _patient(breach: Breach, style: Style) -> list[str]:
    missing = NOT_IMPORTED if breach["contact_missing"] else NOT_ON_RECORD
    identifiers = []
    if style.direct_identifiers:
        identifiers = [
            _row("Patient", one_line(breach["name"]) or missing),
            _row("Phone", one_line(breach["phone"]) or missing),
            _row("Address", one_line(breach["address"]) or missing),
        ]
    return [
        *identifiers,
        _row("Patient id", one_line(breach["patient_id"])),
        _row("Ward", one_line(breach["ward"]) or missing),
        _row("Age", age_text(breach["age_years"])),
    ]


def _references(breach: Breach, notification_id: str, style: Style) -> list[str]:
    device = one_line(breach["device_id"])
    return [
        _row("Reading", f"{breach['source_topic']} {one_line(breach['source_id'])}"),
        *([_row("Device", device)] if device and style.direct_identifiers else []),
        _row("Notification", notification_id),
        DISCLAIMER,
    ]


def _row(title: str, text: str) -> str:
    return f"{title + ':':<14}{text}"


def ward_of(breach: Breach) -> str:
    """The patient's ward, or UNKNOWN_WARD when there is none on record."""
    return one_line(breach["ward"]) or UNKNOWN_WARD


def label(attribute: str) -> str:
    """What people call an attribute."""
    vital = JUDGED.get(attribute)
    return vital.label if vital else attribute.replace("_", " ")


def number_text(attribute: str, value: float) -> str:
    """A value at the resolution of its attribute."""
    vital = JUDGED.get(attribute)
    return str(round_half_up(Decimal(str(value)), vital.scale)) if vital else f"{value:g}"


def value_text(breach: Breach, value: float) -> str:
    """A value with its unit."""
    return f"{number_text(breach['attribute'], value)} {breach['unit']}".strip()


def at_least(breach: Breach) -> str:
    """What stands before the value of a score that lacked inputs, and is a lower bound then; empty otherwise."""
    used, expected = breach["inputs_used"], breach["inputs_expected"]
    return ">= " if used is not None and expected is not None and used < expected else ""


def band_text(breach: Breach, low: float | None, high: float | None) -> str:
    """A band in words; both limits belong to it."""
    if low is None and high is None:
        return "any value"
    if low is None and high is not None:
        return f"{value_text(breach, high)} or less"
    if high is None and low is not None:
        return f"{value_text(breach, low)} or more"
    assert low is not None
    assert high is not None
    return f"{number_text(breach['attribute'], low)} to {value_text(breach, high)}"


def age_text(years: float | None) -> str:
    """An age as people say it: months below two years."""
    if years is None:
        return "not on record, judged by the limits of an adult"
    if years < 2:
        months = int(years * 12)
        return f"{months} month{'' if months == 1 else 's'}"
    return f"{int(years)} years"


def local_time(epoch_ms: int, zone: ZoneInfo) -> str:
    """A time with the name of its zone."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def one_line(text: str | None) -> str:
    """Text as one line: line ends become commas, other control characters blanks; cut after LINE_MAX characters."""
    joined = ", ".join(part.strip() for part in (text or "").splitlines() if part.strip())
    visible = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in joined).strip()
    return clip(visible, LINE_MAX)


def ascii_line(text: str | None) -> str:
    """Text as one line of printable ASCII, as `to_ascii` spells it."""
    return to_ascii(one_line(text)).strip()


def to_ascii(text: str) -> str:
    """Text in printable ASCII: accents and the degree sign go, whatever else is left over becomes a question mark."""
    plain = unicodedata.normalize("NFKD", text.translate(REPLACED))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter) and letter != "°")
    return "".join(letter if " " <= letter <= "~" else "?" for letter in kept)


def clip(text: str, longest: int) -> str:
    """Text of at most `longest` characters, marked where it was cut."""
    return text if len(text) <= longest else text[: max(longest - 2, 0)] + ".."[:longest]
