"""Which wards there are, and the technical alarm for one that nobody listens to."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import pymysql
from pymysql.cursors import Cursor

from alerts.message import UNKNOWN_WARD, one_line
from alerts.subscriptions_table import load_subscriptions, uncovered
from alerts.technical import WARD_UNCOVERED, open_subjects, technical
from clinical.messages import Severity, TechnicalAlarm
from infra.clients import reader_connection
from infra.errors import UnavailableError
from infra.log import get_logger
from infra.settings import Settings

SEEN_WITHIN_MS = 86_400_000
"""A ward counts as long as it has patients on record, or had an alarm within a day."""

log = get_logger("wards")


def wards_on_record(settings: Settings) -> set[str] | None:
    """Wards of the patients who are in hospital, by the source of contacts; None when it cannot be asked."""
    columns = settings.contacts.columns
    ward, discharged = columns.get("admitted_ward"), columns.get("discharged_at")
    if not ward:
        return set()
    present = f" AND {discharged} IS NULL" if discharged else ""
    query = f"SELECT DISTINCT {ward} FROM {settings.contacts.table} WHERE {ward} IS NOT NULL{present}"
    try:
        with closing(reader_connection(settings)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return {one_line(name) for (name,) in cursor.fetchall()} - {""}
    except (UnavailableError, pymysql.err.Error) as error:
        log.warning("the wards on record cannot be read", reason=type(error).__name__)
        return None


def wards_of_alarms(cursor: Cursor, now: int) -> set[str]:
    """Wards that had an alarm lately."""
    cursor.execute(
        "SELECT DISTINCT ward FROM alarms WHERE kind = 'clinical' AND last_breach_at > %s", (now - SEEN_WITHIN_MS,)
    )
    return {one_line(name) or UNKNOWN_WARD for (name,) in cursor.fetchall()}


def coverage_alarms(
    cursor: Cursor, wards: Iterable[str], told: Iterable[Severity], now: int, all_wards: bool
) -> list[TechnicalAlarm]:
    """Technical alarms to raise for wards that nobody hears, and to clear for those that are heard again.

    `all_wards` says that `wards` are all there are, so that an alarm about a ward that is gone is cleared too.
    """
    open_wards = open_subjects(cursor, WARD_UNCOVERED)
    asked = set(wards)
    gaps = uncovered(asked, sorted(told), load_subscriptions(cursor))
    alarms = [
        technical(
            WARD_UNCOVERED,
            ward,
            f"Nobody with a confirmed subscription hears {' and '.join(missing)} alarms of ward {ward}: "
            f'add a doctor with `./ward subscriptions add EMAIL --ward "{ward}"`.',
            now,
        )
        for ward, missing in sorted(gaps.items())
        if ward not in open_wards
    ]
    heard = {ward for ward in open_wards if ward not in gaps and (all_wards or ward in asked)}
    return alarms + [
        technical(WARD_UNCOVERED, ward, f"Ward {ward} has a confirmed subscriber, or no patients.", now, cleared=True)
        for ward in sorted(heard)
    ]
