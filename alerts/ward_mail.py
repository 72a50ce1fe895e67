"""The mail to a ward about technical alarms: which of its signals are lost, a line each. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.message import SUBJECT_MAX, Mail, Style, ascii_line, clip, local_time, one_line
from alerts.wording import row, ward_words
from clinical.messages import TechnicalAlarm

NO_SIGNAL = "no_signal"
LISTED = 300
"""Lines of 500 characters at most: SNS refuses a message above 256 KiB."""


def ward_mail(alarms: Sequence[TechnicalAlarm], ward: str, notification_id: str, now: int, style: Style) -> Mail:
    """One mail for alarms (at least one) of one kind that were raised, or cleared, together."""
    cleared, what = alarms[0]["cleared"], alarms[0]["kind"].replace("_", " ")
    is_lost = alarms[0]["kind"] == NO_SIGNAL
    count = "" if len(alarms) == 1 else f" ({len(alarms)})"
    state = "CLEARED" if cleared else "TECHNICAL"
    head = f"[{state}] {what}{count}, "
    subject = f"{head}{clip(ascii_line(ward_words(ward)), SUBJECT_MAX - len(head))}"
    more = len(alarms) - LISTED
    lines = [
        f"Over: {what}{count}." if cleared else f"Technical alarm: {what}{count}.",
        *(one_line(alarm["detail"]) for alarm in alarms[:LISTED]),
        *([f"And {more} more: `./ward alarms list`."] if more > 0 else []),
        "",
        row("Cleared" if cleared else "Raised", local_time(now, style.zone)),
        row("Notification", notification_id),
        *(["This says nothing about the patient: no alarm about a patient can come without a signal."] * is_lost),
    ]
    return Mail(subject, "\n".join(lines) + "\n")
