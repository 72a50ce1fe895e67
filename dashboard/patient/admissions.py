"""Patients as the ward's office wrote them: looking them up, creating, changing and discharging them, in MySQL.

The table and its columns are the site's (`settings.contacts`); what it has no column for is neither offered nor
written. What is written is imported at once, and from then on in breaches and mails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from alerts.database import in_transaction
from dashboard.database import ANSWER_SECONDS
from dashboard.patient import form
from infra.clients import devices_connection, reader_connection
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.identifiers import (
    before_arguments,
    quoted_before_arguments,
    quoted_table,
    quoted_table_before_arguments,
)
from infra.settings import Settings
from sqoop.source import MARK, MARK_FORMAT, ContactsTable, find_contacts_table, parse_mark, server_time

DISCHARGED = "discharged_at"
FORBIDDEN = (ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR)

Record = Callable[[str, str, str], None]
"""Writes to the audit: the act, the patient, the detail. What cannot be recorded is not done."""


class InvalidError(WardError):
    """What was typed cannot be written; `problems`: field -> a sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class ConflictError(WardError):
    """Somebody else changed the patient since the form was opened; `now` is how the patient is. Nothing was written."""

    def __init__(self, before: Patient, now: Patient | None) -> None:
        self.now = now
        if now is None:
            super().__init__("Somebody else deleted this patient meanwhile. Nothing was written.")
            return
        different = [name for name in now.values if name != MARK and now.values[name] != before.values.get(name)]
        told = "; ".join(
            f"{form.FIELDS[name].label if name in form.FIELDS else 'Discharged'} was "
            f"{before.values.get(name) or 'empty'!r} and is now {now.values[name] or 'empty'!r}"
            for name in different
        )
        super().__init__(
            f"Somebody else changed this patient since you opened the form: {told}. Nothing of yours was written: look "
            "at it, and open the form again."
        )


@dataclass(frozen=True)
class Patient:
    """A row, as text by our names; only columns that the table has, an empty text for NULL.

    `discharged_at`: None: on the ward, or the table does not say.
    """

    patient_id: str
    values: Mapping[str, str]
    discharged_at: datetime | None = None

    @property
    def date_of_birth(self) -> date | None:
        """None when it is not known, or no date."""
        try:
            return date.fromisoformat(self.values.get("date_of_birth", "")[:10])
        except ValueError:
            return None


@dataclass(frozen=True)
class Found:
    """What a search gave: at most so many patients, and whether there are more."""

    patients: list[Patient]
    is_cut: bool


class Admissions:
    """Every call has a connection of its own, so threads may share an object.

    Each raises UnavailableError without MySQL, and ConfigurationError when the table is not as the settings say.
    """

    def __init__(self, settings: Settings, ask_import: Callable[[], None] = lambda: None) -> None:
        """`ask_import` is called when something was written, so that breaches and mails know of it soon."""
        self._settings = settings
        self._ask_import = ask_import

    def fields(self) -> list[form.Field]:
        """The fields for which the table has a column, in the form's order."""
        with self._reading() as (_, table):
            return [field for field in form.FIELDS.values() if field.name in table.columns]

    def can_discharge(self) -> bool:
        """Whether the table says when somebody was discharged."""
        with self._reading() as (_, table):
            return DISCHARGED in table.columns

    def find(self, patient_id: str) -> Patient | None:
        """That patient, by the id exactly as it is."""
        with self._reading() as (connection, table), connection.cursor() as cursor:
            return _one(cursor, table, patient_id)

    def search(self, text: str, with_names: bool, discharged_too: bool = False, limit: int = 200) -> Found:
        """Patients whose id or ward (or name, `with_names`) contains the text, by ward and id.

        Without `with_names` names are neither looked at nor read, nor is anything else that identifies somebody.
        """
        names = [
            name for name in ("patient_id", "name", "admitted_ward", DISCHARGED) if with_names or not _is_identity(name)
        ]
        with self._reading() as (connection, table), connection.cursor() as cursor:
            names = [name for name in names if name in table.columns]
            columns = {name: before_arguments(table.text_of(name)) for name in names}
            searched = [columns[name] for name in names if name != DISCHARGED]
            conditions = [
                f"({' OR '.join(f'{column} LIKE %s' for column in searched)})",
                before_arguments(table.predicate(None)),
            ]
            if DISCHARGED in columns and not discharged_too:
                conditions.append(f"{_theirs(table, DISCHARGED)} IS NULL")
            order = ", ".join(columns[name] for name in ("admitted_ward", "patient_id") if name in columns)
            cursor.execute(
                f"SELECT {', '.join(columns.values())} FROM {_table(table)}"
                f" WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %s",
                (*[f"%{_like(text)}%"] * len(searched), limit + 1),
            )
            rows = [_patient(table, names, row) for row in cursor.fetchall()]
        return Found(rows[:limit], len(rows) > limit)

    def wards(self) -> list[str]:
        """Every ward that has or had a patient."""
        with self._reading() as (connection, table), connection.cursor() as cursor:
            if "admitted_ward" not in table.columns:
                return []
            ward = table.text_of("admitted_ward")
            cursor.execute(f"SELECT DISTINCT {ward} FROM {quoted_table(table.table)} WHERE {ward} <> '' ORDER BY 1")
            return [_text(row[0]) for row in cursor.fetchall()]

    def create(self, typed: Mapping[str, str | None], today: date, record: Record) -> Patient:
        """Write a new patient. Raises InvalidError, also for an id that exists."""
        values = form.cleaned(typed)

        def work(cursor: Cursor, table: ContactsTable) -> None:
            known = {name: values.get(name, "") for name in form.FIELDS if name in table.columns}
            _refuse(form.problems(known, list(known), today))
            if _rows(cursor, table, known["patient_id"], lock=True):
                raise InvalidError({"patient_id": "Patient id: there is a patient of that id."})
            record("create patient", known["patient_id"], form.detail({}, known))
            written = {**{name: text or None for name, text in known.items()}, **_mark(cursor, table)}
            cursor.execute(
                f"INSERT INTO {_table(table)} ({', '.join(_theirs(table, name) for name in written)})"
                f" VALUES ({', '.join(['%s'] * len(written))})",
                tuple(written.values()),
            )

        return self._write(values.get("patient_id", ""), work)

    def change(self, before: Patient, typed: Mapping[str, str | None], today: date, record: Record) -> Patient:
        """Write what is different from `before`, the patient as the form was opened. The id cannot be changed.

        Raises InvalidError, and ConflictError when the patient is no longer as `before` says.
        """
        values = form.cleaned({name: text for name, text in typed.items() if name != "patient_id"})

        def work(cursor: Cursor, table: ContactsTable) -> None:
            names = [name for name in form.changed(before.values, values) if name in table.columns]
            _refuse(form.problems(values, names, today))
            self._check_unchanged(cursor, table, before)
            if names:
                record("change patient", before.patient_id, form.detail(before.values, {n: values[n] for n in names}))
                _update(cursor, table, before.patient_id, {name: values[name] or None for name in names})

        return self._write(before.patient_id, work)

    def discharge(self, before: Patient, record: Record) -> Patient:
        """The patient leaves the ward now. Raises ConflictError; WardError when the table cannot say so."""
        return self._move(before, "discharge patient", record, leaves=True)

    def admit_again(self, before: Patient, record: Record) -> Patient:
        """The patient is on the ward again. Raises as `discharge` does."""
        return self._move(before, "admit patient again", record, leaves=False)

    def _move(self, before: Patient, act: str, record: Record, leaves: bool) -> Patient:
        def work(cursor: Cursor, table: ContactsTable) -> None:
            if DISCHARGED not in table.columns:
                raise WardError(f"{table.table} has no column for the time of discharge (contacts.columns).")
            self._check_unchanged(cursor, table, before)
            at = _clock(table, DISCHARGED, server_time(cursor)) if leaves else None
            record(act, before.patient_id, f"{DISCHARGED}: {before.values.get(DISCHARGED, '')!r} -> {at or ''!r}")
            _update(cursor, table, before.patient_id, {DISCHARGED: at})

        return self._write(before.patient_id, work)

    @staticmethod
    def _check_unchanged(cursor: Cursor, table: ContactsTable, before: Patient) -> None:
        now = _one(cursor, table, before.patient_id, lock=True)
        if now is None or _data(now) != _data(before):
            raise ConflictError(before, now)

    def _write(self, patient_id: str, work: Callable[[Cursor, ContactsTable], None]) -> Patient:
        """All of the work is written, or nothing; what the patient is then."""
        with (
            _errors(self._settings),
            closing(devices_connection(self._settings, read_timeout=ANSWER_SECONDS)) as connection,
        ):
            table = find_contacts_table(self._settings, connection)
            in_transaction(connection, lambda cursor: work(cursor, table))
            self._ask_import()
            with connection.cursor() as cursor:
                written = _one(cursor, table, patient_id)
        assert written is not None
        return written

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection[Any], ContactsTable]]:
        with (
            _errors(self._settings),
            closing(reader_connection(self._settings, read_timeout=ANSWER_SECONDS)) as connection,
        ):
            yield connection, find_contacts_table(self._settings, connection)


@contextmanager
def _errors(settings: Settings) -> Iterator[None]:
    """MySQL's refusals as ours. They name columns, never what was typed."""
    table = settings.contacts.table
    try:
        yield
    except pymysql.err.DataError as error:
        raise WardError(f"{table} does not take that: a text is too long or not of the column's type.") from error
    except pymysql.err.IntegrityError as error:
        if error.args[0] == ER.DUP_ENTRY:
            raise InvalidError({"patient_id": "Patient id: there is a patient of that id."}) from error
        raise WardError(f"{table} does not take that: a column of it must not stay empty.") from error
    except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
        if error.args[0] in FORBIDDEN:
            raise ConfigurationError(
                f"{settings.mysql.devices_user} may not write to {table}: grant it INSERT and UPDATE."
            ) from error
        raise UnavailableError("MySQL", f"{settings.mysql.host}:{settings.mysql_port}", error.args[0]) from error


def _refuse(problems: Mapping[str, str]) -> None:
    if problems:
        raise InvalidError(problems)


def _is_identity(name: str) -> bool:
    return name in form.FIELDS and form.FIELDS[name].is_identity


def _like(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\%_" else character for character in text.strip())


def _data(patient: Patient) -> dict[str, str]:
    return {name: text for name, text in patient.values.items() if name != MARK}


def _table(table: ContactsTable) -> str:
    return quoted_table_before_arguments(table.table)


def _theirs(table: ContactsTable, name: str) -> str:
    return quoted_before_arguments(table.columns[name].name)


def _rows(cursor: Cursor, table: ContactsTable, patient_id: str, lock: bool = False) -> list[Patient]:
    """The rows that MySQL takes for that id; by its collation another case, or spaces at the end, may be the same."""
    names = list(table.columns)
    cursor.execute(
        f"SELECT {before_arguments(', '.join(map(table.text_of, names)))} FROM {_table(table)}"
        f" WHERE {_theirs(table, 'patient_id')} = %s{' FOR UPDATE' if lock else ''}",
        (patient_id,),
    )
    return [_patient(table, names, row) for row in cursor.fetchall()]


def _one(cursor: Cursor, table: ContactsTable, patient_id: str, lock: bool = False) -> Patient | None:
    return next((row for row in _rows(cursor, table, patient_id, lock) if row.patient_id == patient_id), None)


def _patient(table: ContactsTable, names: list[str], row: tuple[Any, ...]) -> Patient:
    values = {name: _text(value) for name, value in zip(names, row, strict=True)}
    return Patient(values["patient_id"], values, _time(table, DISCHARGED, values.get(DISCHARGED, "")))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _time(table: ContactsTable, name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return parse_mark(text).replace(tzinfo=ZoneInfo(table.time_zones.get(name, "UTC"))).astimezone(UTC)
    except ValueError:
        return datetime.fromisoformat(text[:10]).replace(tzinfo=UTC)


def _clock(table: ContactsTable, name: str, at: datetime) -> str:
    return at.astimezone(ZoneInfo(table.time_zones.get(name, "UTC"))).strftime(MARK_FORMAT)


def _mark(cursor: Cursor, table: ContactsTable) -> dict[str, str]:
    """When the row is changed, for the next import: a table of the site may not note it by itself."""
    return {MARK: _clock(table, MARK, server_time(cursor))} if MARK in table.columns else {}


def _update(cursor: Cursor, table: ContactsTable, patient_id: str, written: Mapping[str, str | None]) -> None:
    values = {**written, **_mark(cursor, table)}
    cursor.execute(
        f"UPDATE {_table(table)} SET {', '.join(f'{_theirs(table, name)} = %s' for name in values)}"
        f" WHERE {_theirs(table, 'patient_id')} = %s",
        (*values.values(), patient_id),
    )
