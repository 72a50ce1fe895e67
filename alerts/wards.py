"""Which wards there are, and the technical alarm for one that nobody listens to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.cursors import Cursor

from alerts.message import UNKNOWN_WARD, one_line
from alerts.subscriptions_table import load_subscriptions, uncovered
from alerts.technical import WARD_UNCOVERED, open_subjects, technical
from clinical.messages import Severity, TechnicalAlarm
from infra.clients import reader_connection
from infra.errors import UnavailableError
from infra.identifiers import quoted_before_arguments, quoted_table_before_arguments
from infra.log import get_logger
from infra.settings import Settings

SEEN_WITHIN_MS = 86_400_000
"""A ward counts as long as it has patients on record, or had an alarm within a day."""

ASKED_AT_ONCE = 1000
"""Patients that one query names."""

CONTACTS_SECONDS = 5.0
"""How long the source may take for an answer: alarms wait meanwhile, and can do without it."""

log = get_logger("wards")


def wards_on_record(settings: Settings, now: int) -> set[str] | None:
    """Wards of the patients who are in hospital at `now` (epoch ms), by the source of contacts; None when it cannot be
    asked."""
    ward, left = contacts_column(settings, "admitted_ward"), contacts_column(settings, "discharged_at")
    if not ward:
        return set()
    # A DATETIME is compared where its zone is known; whoever left a day ago has left in every zone.
    latest = f"MAX({left}), MAX({left} IS NULL)" if left else "NULL, 1"
    lately = f" AND ({left} IS NULL OR {left} > NOW(3) - INTERVAL 1 DAY)" if left else ""
    query = f"SELECT {ward}, {latest} FROM {contacts_table(settings)} WHERE {ward} IS NOT NULL{lately} GROUP BY {ward}"
    answer = ask_contacts(settings, query)
    if answer is None:
        return None
    left_at = ((name, stays, epoch_ms(at, answer.types[1], settings)) for name, at, stays in answer.rows)
    return {one_line(name) for name, stays, at in left_at if stays or (at is not None and at > now)} - {""}


@dataclass(frozen=True)
class Stay:
    """A patient's ward, None when there is none on record; when the patient left (epoch ms), None: has not; the name,
    empty when there is none."""

    ward: str | None
    left_at: int | None
    name: str = ""

    def has_left(self, now: int) -> bool:
        """Whether the patient has left by `now`: a discharge that is planned is none yet."""
        return self.left_at is not None and self.left_at <= now


def ward_of(stays: Mapping[str, Stay], patient: str) -> str:
    """The ward of a patient, UNKNOWN_WARD without one on record."""
    stay = stays.get(patient)
    return (stay.ward if stay else None) or UNKNOWN_WARD


def contacts_of(settings: Settings, patients: Collection[str]) -> dict[str, Stay] | None:
    """Where these patients are, and what they are called, by the source of contacts: those that it knows; None when it
    cannot be asked."""
    identity = contacts_identity(settings)
    ward, left, name = (contacts_column(settings, one) or "NULL" for one in ("admitted_ward", "discharged_at", "name"))
    stays: dict[str, Stay] = {}
    for some in pieces(sorted(patients)):
        query = (
            f"SELECT {identity}, {ward}, {left}, {name} FROM {contacts_table(settings)}"
            f" WHERE {identity} IN ({', '.join(['%s'] * len(some))})"
        )
        answer = ask_contacts(settings, query, *some)
        if answer is None:
            return None
        for patient, place, left_at, called in answer.rows:
            left_ms = epoch_ms(left_at, answer.types[2], settings)
            stays[as_id(patient)] = Stay(one_line(place) or None, left_ms, one_line(called))
    return stays


def whereabouts(settings: Settings, patients: Collection[str]) -> dict[str, Stay]:
    """The same, and nobody where the source does not know of wards and discharges, or while it cannot be asked."""
    columns = settings.contacts.columns
    if not (columns.get("admitted_ward") or columns.get("discharged_at")):
        return {}
    return contacts_of(settings, patients) or {}


def as_id(written: object) -> str:
    """A patient's id in the source of contacts, as readings and the import have it."""
    if isinstance(written, bytes):
        return str(int.from_bytes(written, "big"))
    if isinstance(written, float) and written.is_integer():
        return str(int(written))
    return str(written).strip()


def epoch_ms(at: object, kind: int, settings: Settings) -> int | None:
    """A DATETIME has no zone of its own: it is that of the source, as for the import; a TIMESTAMP comes in UTC."""
    if not isinstance(at, datetime):
        return None
    zone = ZoneInfo(settings.source.time_zone) if kind == FIELD_TYPE.DATETIME else UTC
    return round(at.replace(tzinfo=zone).timestamp() * 1000)


def pieces(patients: Sequence[str]) -> Iterator[Sequence[str]]:
    """Patients as few enough for one query."""
    return (patients[start : start + ASKED_AT_ONCE] for start in range(0, len(patients), ASKED_AT_ONCE))


def contacts_table(settings: Settings) -> str:
    """The table of the source of contacts, for a statement with arguments."""
    return quoted_table_before_arguments(settings.contacts.table)


def contacts_column(settings: Settings, name: str) -> str | None:
    """Its column for one of our names, for a statement with arguments; None when it has none."""
    theirs = settings.contacts.columns.get(name)
    return quoted_before_arguments(theirs) if theirs else None


def contacts_identity(settings: Settings) -> str:
    """Its column for patients' ids, for a statement with arguments."""
    return quoted_before_arguments(settings.contacts.columns["patient_id"])


class Answer(NamedTuple):
    """Rows, and the type of each column (`pymysql.constants.FIELD_TYPE`)."""

    rows: list[tuple[Any, ...]]
    types: list[int]


def ask_contacts(settings: Settings, query: str, *arguments: str) -> Answer | None:
    """What the source of contacts answers to a statement with arguments, maybe none; None when it cannot be asked,
    which is logged."""
    try:
        with (
            closing(reader_connection(settings, read_timeout=CONTACTS_SECONDS)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, arguments)
            return Answer(list(cursor.fetchall()), [column[1] for column in cursor.description or ()])
    except (UnavailableError, pymysql.err.Error) as error:
        log.warning("the source of contacts cannot be read", reason=type(error).__name__)
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
