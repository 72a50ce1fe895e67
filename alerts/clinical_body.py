"""The body of a mail about a patient's alarms: first what is wrong and since when, then what a doctor asks next. Pure.

What was written by others (names, rules, devices, unknown attributes) never begins a line, so that it cannot pass for
one of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from zoneinfo import ZoneInfo

from alerts.told import Current, Style, Told
from alerts.wording import (
    NOT_IMPORTED,
    NOT_ON_RECORD,
    SHORT_MAX,
    age_text,
    at_least,
    band_text,
    clock_text,
    duration_text,
    label,
    local_time,
    measured_text,
    number_text,
    one_line,
    row,
)
from clinical.messages import Breach
from clinical.notices import News
from clinical.vitals import DERIVED, JUDGED, VITALS

STALE_MS = 120_000
"""A mail about a value older than this says so in its first lines."""

CURRENT_STALE_MS = 300_000
"""A vital older than this is shown with its age: as long as an input of NEWS2 counts."""

SHOWN_VALUES = 10
DISCLAIMER = "Wardwatch is not a medical device. Look at the patient, not only at this mail."
ORDER = {name: place for place, name in enumerate((*DERIVED, *VITALS))}
"""Of the current vitals: scores first, since they sum up the others."""


def body(
    told: Sequence[Told],
    current: Sequence[Current],
    escalation: int,
    notification_id: str,
    link: Callable[[str], str] | None,
    now: int,
    style: Style,
) -> str:
    """The text; `told` in the order of importance."""
    paragraphs = [
        [line for one in told for line in _opening(one, escalation, now, style.zone)],
        *(_block(one, place, len(told), link, now, style) for place, one in enumerate(told, start=1)),
        list(_vitals(told, current, now)),
        list(_patient(newest_contact(told), style)),
        *(list(_details(one, place, len(told), style)) for place, one in enumerate(told, start=1)),
        [row("Notification", notification_id), DISCLAIMER],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def newest_contact(told: Sequence[Told]) -> Breach:
    """The breach that knows most of the patient: one with a contact before one without, then the newest."""
    return max((one.breach for one in told), key=lambda breach: (not breach["contact_missing"], breach["detected_at"]))


def value_of(breach: Breach) -> str:
    """The value of a breach with its unit; of a partial score, as the lower bound that it is."""
    bound = at_least(breach["inputs_used"], breach["inputs_expected"])
    return bound + measured_text(breach["attribute"], breach["value"], breach["unit"])


def back_in_range(told: Told) -> bool:
    """Whether the newest value is in its normal band: an alarm also ends when the value is beyond the *other* limit."""
    low, high, value = told.breach["normal_low"], told.breach["normal_high"], _newest(told)
    return value is None or ((low is None or value >= low) and (high is None or value <= high))


def is_out_again(told: Told) -> bool:
    """Whether the newest value is beyond the limit that the alarm was about: another alarm may have begun."""
    limit = told.breach["normal_low" if told.breach["direction"] == "low" else "normal_high"]
    value = _newest(told)
    if value is None or limit is None:
        return False
    return value < limit if told.breach["direction"] == "low" else value > limit


def _newest(told: Told) -> float | None:
    """The newest value as a mail shows it, None when there is none."""
    return float(number_text(told.breach["attribute"], told.values[0][1])) if told.values else None


def _opening(told: Told, escalation: int, now: int, zone: ZoneInfo) -> Iterator[str]:
    if told.is_over:
        yield _over(told, escalation, now, zone)
        if told.news is News.RESOLVED and not back_in_range(told):
            at, value = told.values[0]
            newest = measured_text(told.breach["attribute"], value, told.breach["unit"])
            yield f"But its newest value is outside the normal range: {newest} at {clock_text(at, now, zone)}."
        return
    breach = told.breach
    lasted = f"since {clock_text(told.since, now, zone)} ({duration_text(now - told.since)})"
    what = f"{label(breach['attribute'])} {value_of(breach)} is {_side(breach)} its normal range {lasted}."
    yield f"{told.severity.upper()}: {what}{_remark(told, escalation)}"
    if at_least(breach["inputs_used"], breach["inputs_expected"]):
        known = f"{breach['inputs_used']} of {breach['inputs_expected']}"
        yield f"Only {known} inputs were known, so the true value is this or higher."
    age = now - breach["recorded_at"]
    if age > STALE_MS:
        is_late = breach["detected_at"] - breach["recorded_at"] > STALE_MS
        yield f"This value is {age // 60_000} minutes old{': it reached the system late' if is_late else ''}."


def _remark(told: Told, escalation: int) -> str:
    match told.news:
        case News.WORSE:
            return " More severe than in the mail before."
        case News.AGAIN:
            return " It had been milder since the mail before."
        case News.ARREST:
            return " It fell to 0 after the mail before."
        case News.REMINDER if told.is_acknowledged:
            return " The patient has come to this ward. It was acknowledged before."
        case News.REMINDER:
            return f" Reminder: not acknowledged, {told.breaches} values so far."
        case News.ESCALATED:
            return f" Escalated to level {escalation}: nobody has acknowledged it."
        case _:
            return ""


def _over(told: Told, escalation: int, now: int, zone: ZoneInfo) -> str:
    breach = told.breach
    until = now if told.until is None else told.until
    at, lasted = clock_text(until, now, zone), duration_text(until - told.since)
    name, side = label(breach["attribute"]), _side(breach)
    peak = f"peak severity {told.severity}" + (f", escalated to level {escalation}" if escalation else "")
    if told.news is News.DISCHARGED:
        return f"OVER: the patient was discharged at {at}. {name} was {side} its normal range for {lasted}, {peak}."
    if is_out_again(told):
        return f"OVER, BUT OUT AGAIN: {name} was back in its normal range at {at}. It had lasted {lasted}, {peak}."
    how = "back in" if back_in_range(told) else f"no longer {side}"
    return f"OVER: {name} is {how} its normal range since {at}. It lasted {lasted}, {peak}."


def _block(told: Told, place: int, count: int, link: Callable[[str], str] | None, now: int, style: Style) -> list[str]:
    meaning = one_line(told.breach["alert_message"], SHORT_MAX)
    values = _values(told, now, style.zone)
    return [
        *_which(told, place, count),
        *([row("It was" if told.is_over else "Meaning", meaning)] if meaning else []),
        *([row("Last values", values)] if values else []),
        *([row("Acknowledge", link(told.alarm_id))] if link and not told.is_over else []),
    ]


def _which(told: Told, place: int, count: int) -> list[str]:
    if count == 1:
        return []
    over = ", over" if told.is_over else ""
    return [row(f"Alarm {place} of {count}", f"{label(told.breach['attribute'])} ({told.breach['direction']}){over}")]


def _values(told: Told, now: int, zone: ZoneInfo) -> str:
    """The last values, each with its time; of the same minute as the one before it, with its second only."""
    parts, minute = [], ""
    for at, value in told.values[:SHOWN_VALUES]:
        time = clock_text(at, now, zone, with_zone=False)
        said = time[-3:] if time[:-3] == minute else time
        minute = time[:-3]
        parts.append(f"{number_text(told.breach['attribute'], value)} ({said})")
    return ", ".join(parts)


def _vitals(told: Sequence[Told], current: Sequence[Current], now: int) -> Iterator[str]:
    shown = {one.breach["attribute"] for one in told if one.values}
    others = [one for one in current if one.attribute not in shown]
    for one in sorted(others, key=lambda one: (ORDER.get(one.attribute, len(ORDER)), one.attribute)):
        vital = JUDGED.get(one.attribute)
        bound = at_least(one.inputs_used, one.inputs_expected)
        partial = f", {one.inputs_used} of {one.inputs_expected} inputs" if bound else ""
        age = now - one.at
        old = f" ({duration_text(age)} old)" if age > CURRENT_STALE_MS else ""
        value = measured_text(one.attribute, one.value, vital.unit if vital else "")
        title = label(one.attribute) if vital else f"Attribute {label(one.attribute)}"
        yield row(title, f"{bound}{value}{partial}{old}")


def _patient(breach: Breach, style: Style) -> Iterator[str]:
    missing = NOT_IMPORTED if breach["contact_missing"] else NOT_ON_RECORD
    if style.direct_identifiers:
        yield row("Patient", one_line(breach["name"]) or missing)
        yield row("Phone", one_line(breach["phone"]) or missing)
        yield row("Address", one_line(breach["address"]) or missing)
    yield row("Patient id", one_line(breach["patient_id"]))
    yield row("Ward", one_line(breach["ward"]) or missing)
    yield row("Age", age_text(breach["age_years"]))


def _details(told: Told, place: int, count: int, style: Style) -> Iterator[str]:
    """What was judged by which limits, who set them, and where the reading is found."""
    breach = told.breach
    attribute, unit = breach["attribute"], breach["unit"]
    receipt = " (time of receipt: the source has none)" if breach["recorded_at_is_receipt"] else ""
    author = one_line(breach["threshold_updated_by"], SHORT_MAX)
    origin = [one_line(breach["threshold_source"], SHORT_MAX), f"last changed by {author}" if author else ""]
    device = one_line(breach["device_id"], SHORT_MAX)
    yield from _which(told, place, count)
    yield row("Value then" if told.is_over else "Value", f"{value_of(breach)} ({breach['direction']})")
    yield row("Recorded", local_time(breach["recorded_at"], style.zone) + receipt)
    yield row("Limits hit", band_text(attribute, unit, breach["low_value"], breach["high_value"]))
    yield row("Normal", band_text(attribute, unit, breach["normal_low"], breach["normal_high"]))
    rule = one_line(breach["threshold_row"], SHORT_MAX)
    yield row("Rule", f"{rule} ({'; '.join(filter(None, origin)) or 'no source given'})")
    yield row("Reading", f"{one_line(breach['source_topic'], SHORT_MAX)} {one_line(breach['source_id'], SHORT_MAX)}")
    if device and style.direct_identifiers:
        yield row("Device", device)


def _side(breach: Breach) -> str:
    return "below" if breach["direction"] == "low" else "above"
