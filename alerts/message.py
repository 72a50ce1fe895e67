"""The mails: what alarms of a patient, or a technical alarm, become as subject and body. Pure.

A doctor reads a mail on a phone in five seconds: the subject and the first line say what is wrong, and since when; the
rest is for who goes on reading. A subject never holds a name, phone or address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alerts.clinical_body import DISCLAIMER, back_in_range, body, is_out_again, newest_contact, value_of
from alerts.told import Current, Mail, Style, Told
from alerts.wording import (
    NOT_IMPORTED,
    NOT_ON_RECORD,
    SUBJECT_MAX,
    ascii_line,
    clip,
    label,
    local_time,
    number_text,
    one_line,
    row,
    to_ascii,
    ward_words,
)
from clinical.messages import Breach, TechnicalAlarm
from clinical.notices import UNKNOWN_WARD, News

__all__ = [
    "DISCLAIMER",
    "NOT_IMPORTED",
    "NOT_ON_RECORD",
    "SUBJECT_MAX",
    "UNKNOWN_WARD",
    "WARD_MAX",
    "Current",
    "Mail",
    "Style",
    "Told",
    "ascii_line",
    "clinical_mail",
    "clip",
    "label",
    "local_time",
    "number_text",
    "one_line",
    "technical_mail",
    "ward_of",
]

IMPORTANCE = {
    News.ESCALATED: 0,
    News.RAISED: 1,
    News.WORSE: 1,
    News.AGAIN: 1,
    News.ARREST: 1,
    News.REMINDER: 2,
    News.RESOLVED: 3,
    News.DISCHARGED: 3,
}
"""Of alarms in one mail: what is new goes before what is said again, and what is over never stands for what lasts."""

MARKS = {
    News.ESCALATED: "escalated: ",
    News.WORSE: "worse: ",
    News.AGAIN: "again: ",
    News.ARREST: "worse: ",
    News.REMINDER: "reminder: ",
}
NAMED_IN_A_MAIL, DETAIL_MAX = 5, 2000
"""Technical alarms that a mail to ops has a line of, and characters of one."""

LABEL_MAX, UNIT_MAX, HEAD_MAX, WARD_MIN = 30, 8, 72, 8
"""Characters in a subject: of a label, of a unit, before the ward at most, and left to a ward when the patient's id is
long. A cut ward is still guessed, a cut id is another patient's."""


def clinical_mail(
    told: Sequence[Told],
    current: Sequence[Current],
    escalation: int,
    notification_id: str,
    link: Callable[[str], str] | None,
    now: int,
    style: Style,
) -> Mail:
    """The mail about alarms (at least one) of one patient, of one ward, severity and `escalation` level.

    `told`: high first, then oldest first; that order is kept within what is new, said again and over. `current`: the
    newest values of the patient, of any attribute. `link`: from an alarm's id to the page where it is acknowledged,
    None when there is no such page. `now`: epoch ms.
    """
    told = sorted(told, key=lambda one: IMPORTANCE[one.news])
    text = body(told, current, escalation, notification_id, link, now, style)
    return Mail(_subject(told), text, len(told))


def technical_mail(alarms: Sequence[TechnicalAlarm], notification_id: str, now: int, style: Style) -> Mail:
    """The mail to ops about technical alarms (at least one) of one kind that were raised, or cleared, together.

    The first few have a line each, the others are counted.
    """
    alarm = alarms[0]
    cleared, what = alarm["cleared"], alarm["kind"].replace("_", " ")
    state, others = "CLEARED" if cleared else "TECHNICAL", len(alarms) - 1
    more = len(alarms) - NAMED_IN_A_MAIL
    subject = clip(ascii_line(f"[{state}] {what} ({alarm['source']})"), SUBJECT_MAX)
    lines = [
        f"Over: {what}." if cleared else f"Technical alarm: {what}.",
        *(one_line(one["detail"], DETAIL_MAX) for one in alarms[:NAMED_IN_A_MAIL]),
        *([f"And {more} more of this kind: `./ward alarms list`."] if more > 0 else []),
        "",
        row("Since", local_time(alarm["raised_at"], style.zone)),
        *([row("Cleared", local_time(now, style.zone))] if cleared else []),
        row("Said by", one_line(alarm["source"])),
        row("Cause", one_line(alarm["alarm_key"]) + (f" and {others} more" if others else "")),
        row("Notification", notification_id),
    ]
    return Mail(subject, "\n".join(lines) + "\n")


WARD_MAX = 190
"""The longest name of a ward that a subscription can filter by."""


def ward_of(breach: Breach) -> str:
    """The patient's ward, as long as a filter can be, or UNKNOWN_WARD when there is none on record."""
    return one_line(breach["ward"], WARD_MAX) or UNKNOWN_WARD


def _subject(told: Sequence[Told]) -> str:
    more = f" +{len(told) - 1} more" if len(told) > 1 else ""
    head = clip(to_ascii(_what(told[0])), HEAD_MAX - len(more)) + more
    ward, patient = ward_words(newest_contact(told)["ward"]), ascii_line(told[0].breach["patient_id"]) or "?"
    room = SUBJECT_MAX - len(f"{head}, , patient ")
    patient = clip(patient, room - min(len(ward), WARD_MIN))
    return f"{head}, {clip(ward, room - len(patient))}, patient {patient}"


def _what(told: Told) -> str:
    breach = told.breach
    name = label(breach["attribute"])[:LABEL_MAX]
    match told.news:
        case News.DISCHARGED:
            return f"[DISCHARGED] {name} alarm over"
        case News.RESOLVED:
            if is_out_again(told):
                return f"[RESOLVED] {name} alarm over, but {breach['direction']} again"
            return f"[RESOLVED] {name} {'back in range' if back_in_range(told) else 'no longer ' + breach['direction']}"
    measured = value_of({**breach, "unit": one_line(breach["unit"], UNIT_MAX)})
    return f"[{told.severity.upper()}] {MARKS.get(told.news, '')}{name} {measured} {breach['direction']}"
