"""Mails of one ward and severity as one, when the pace does not allow each its own. Pure.

Nothing is dropped: a merged mail holds the whole text of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from alerts.told import Mail
from alerts.wording import SUBJECT_MAX, clip, row, to_ascii, ward_words

MERGED_MAX_BYTES = 200 * 1024
"""SNS refuses a message above 256 KiB, its subject and attributes included; the rest is kept in hand."""

PART_BYTES = 300
"""More than the merged mail adds to a part: its subject in the list, and the line before it."""

ESCALATED = "escalated: "
ENDED = ("[RESOLVED] ", "[DISCHARGED] ")


def how_many_fit(parts: Sequence[Mail]) -> int:
    """How many of `parts`, from the first on, one merged mail can hold: at least one, if there is any."""
    sizes = accumulate((len(part.body.encode()) + PART_BYTES for part in parts), initial=PART_BYTES)
    return max(sum(size <= MERGED_MAX_BYTES for size in sizes) - 1, min(len(parts), 1))


def merged_mail(parts: Sequence[Mail], severity: str, ward: str, notification_id: str) -> Mail:
    """One mail of several, in their order: first the subject of each, one a line, then their bodies.

    `parts`: of one ward, severity and escalation, and no more than `how_many_fit`.
    """
    alarms = sum(part.alarms for part in parts)
    over = sum(part.alarms for part in parts if part.subject.startswith(ENDED))
    what, state = f"{alarms} alarms", severity.upper()
    if over == alarms:
        what, state = f"{alarms} alarms over", "RESOLVED"
    elif over:
        what = f"{alarms} alarms, {over} over"
    is_escalated = any(part.subject.partition("] ")[2].startswith(ESCALATED) for part in parts)
    head, tail = to_ascii(f"[{state}] {ESCALATED if is_escalated else ''}{what}, "), " (merged)"
    subject = f"{head}{clip(ward_words(ward), SUBJECT_MAX - len(head) - len(tail))}{tail}"
    return Mail(subject, _body(parts, f"{state}: {what}, {ward_words(ward)}", notification_id), alarms)


def _body(parts: Sequence[Mail], what: str, notification_id: str) -> str:
    count = len(parts)
    first = f"{what}: {count} mails in one, since they came faster than mails may go out."
    listed = "\n".join(f"{place}. {part.subject}" for place, part in enumerate(parts, start=1))
    whole = "".join(
        f"\n======== {place} of {count} ========\n\n{part.body}" for place, part in enumerate(parts, start=1)
    )
    return f"{first}\n\n{listed}\n\n{row('Notification', notification_id)}\n{whole}"
