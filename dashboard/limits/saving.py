"""Saving a draft: refused when the table has changed since or would not be right; recorded before it is written."""

from __future__ import annotations

from collections.abc import Callable

from dashboard.limits.draft import changes_of, check_unchanged, groups_of
from hbase.edits import Edit, check, make
from hbase.snapshots import content_hash
from hbase.table import TableState, read_state
from infra.errors import ConfigurationError
from infra.settings import Settings

ACT = "change thresholds"
DETAIL_CHARACTERS = 3800
"""Of one line of the audit; a longer edit fills several."""

REASON_CHARACTERS = 500

Record = Callable[[str, str | None, str], None]
"""Writes a line of the audit: act, patient, detail (`Visit.record`)."""


def save(settings: Settings, base: TableState, edit: Edit, author: str, reason: str, record: Record) -> str:
    """Make the edit that was drafted from `base`; the hash of the table after it, as its version in force ends.

    Raises ConfigurationError for no edit or no reason, StaleDraftError or EditConflictError when somebody else was
    faster, RefusedError when the table would not be right: nothing is written by any of these. UnavailableError when
    HBase or MySQL is away; what was written then is to be looked at.
    """
    why = checked_reason(reason)
    if not edit:
        raise ConfigurationError("The draft says what the table says: there is nothing to save.")
    now = read_state(settings)
    check_unchanged(base, now)
    signed = edit.signed(author)
    rows = check(now.cells, signed)
    patients = {patient for _, patient in groups_of(base, edit)}
    whose = patients.pop() if len(patients) == 1 else ""
    for detail in audit_details(base, edit, why):
        record(ACT, whose or None, detail)
    make(settings, now, signed)
    return content_hash(rows)


def checked_reason(reason: str) -> str:
    """The reason without blanks around it. Raises ConfigurationError when there is none, or it is no plain line."""
    plain = " ".join(reason.split())
    if not plain:
        raise ConfigurationError("Write why the limits change: the reason stands in the audit.")
    if len(plain) > REASON_CHARACTERS or not plain.isprintable():
        raise ConfigurationError(f"The reason is one plain line of at most {REASON_CHARACTERS} characters.")
    return plain


def audit_details(base: TableState, edit: Edit, reason: str) -> list[str]:
    """What the audit says, old -> new: one text, or several where one line would be too long."""
    texts = [f"{reason}:"]
    for change in map(str, changes_of(base, edit)):
        if len(texts[-1]) + len(change) + 2 > DETAIL_CHARACTERS:
            texts.append(f"{reason} (continued):")
        texts[-1] += f" {change[: DETAIL_CHARACTERS // 2]};"
    return [text.rstrip(";") for text in texts]
