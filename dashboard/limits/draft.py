"""Changes of the threshold table that are not saved yet. Pure.

A limit is shared by two bands, so changes are collected and made together, as one edit of the table that the draft
began from; when the table has changed since, the edit is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from clinical.thresholds import CSV_COLUMNS, ThresholdProblem, ThresholdRow, parse_rows, read_table
from hbase.edits import EDITABLE, Edit, Group, companions, group_of, plan_add
from hbase.table import TableState
from infra.errors import ConfigurationError, WardError

SHELL = "somebody in the HBase shell"


class StaleDraftError(WardError):
    """The table has changed since the draft began; nothing was written."""


@dataclass(frozen=True)
class Change:
    """One cell that becomes another. `column` None: the whole row, which is added (`before` blank) or deleted."""

    row_key: str
    column: str | None
    before: str
    after: str

    def __str__(self) -> str:
        what = self.row_key if self.column is None else f"{self.row_key} {self.column}"
        return f"{what}: {self.before or '(blank)'} -> {self.after or '(blank)'}"


class Draft:
    """The table as it would be, edited by `author`. Not for use by several threads."""

    def __init__(self, base: TableState, author: str) -> None:
        self.base = base
        self.author = author
        self.cells = {key: dict(row) for key, row in base.cells.items()}

    def __bool__(self) -> bool:
        return bool(self.edit())

    def set(self, row_key: str, columns: Mapping[str, str]) -> None:
        """Change cells of a row. Raises ConfigurationError for a row or a column that cannot be changed."""
        if row_key not in self.cells:
            raise ConfigurationError(f"The draft has no row {row_key}: it was deleted, or never was there.")
        if unknown := sorted(set(columns) - set(EDITABLE)):
            raise ConfigurationError(f"{unknown[0]!r} cannot be set: use one of {', '.join(EDITABLE)}.")
        self.cells[row_key].update({column: text.strip() for column, text in columns.items()})

    def add(self, attribute: str, columns: Mapping[str, str]) -> str:
        """Add a row under a key that was not there; the key. Raises ConfigurationError."""
        words = [attribute, *(f"{column}={text}" for column, text in columns.items())]
        ((row_key, row),) = plan_add({**self.base.cells, **self.cells}, words).puts.items()
        self.cells[row_key] = dict(row)
        return row_key

    def delete(self, row_key: str) -> None:
        """Leave a row out."""
        self.cells.pop(row_key, None)

    def take_back(self, row_key: str) -> None:
        """Make a row as it is in the table."""
        if row_key in self.base.cells:
            self.cells[row_key] = dict(self.base.cells[row_key])
        else:
            self.delete(row_key)

    def take(self, edit: Edit) -> None:
        """Make the changes of an edit that was planned from this draft's cells."""
        self.cells = edit.applied_to(self.cells)

    def edit(self) -> Edit:
        """What is to be written, unsigned: only cells that change."""
        puts = {}
        for key, row in self.cells.items():
            there = self.base.cells.get(key)
            changed = {column: row.get(column, "") for column in CSV_COLUMNS if _differs(there, row, column)}
            if changed:
                puts[key] = changed
        return Edit(puts, tuple(sorted(set(self.base.cells) - set(self.cells))))

    def changes(self) -> list[Change]:
        """The same for people, by row."""
        return changes_of(self.base, self.edit())

    def groups(self) -> list[Group]:
        """Attribute and patient of the rows that it changes, as they were and as they become."""
        return groups_of(self.base, self.edit())

    def problems(self) -> list[ThresholdProblem]:
        """Why the table could not be saved; none: it can."""
        return read_table(self.edit().signed(self.author).applied_to(self.base.cells))[1]

    def rows(self, group: Group) -> list[ThresholdRow]:
        """The rows of a group that can be read."""
        return [row for row in parse_rows(self.cells)[0] if (row.attribute, row.patient_id or "") == group]

    def neighbours(self) -> Edit | None:
        """The edit with the neighbouring bands moved along, when that makes the table right; None: it would not."""
        whole = companions(self.base.cells, self.edit().signed(self.author))
        return (
            None
            if whole is None
            else Edit(
                {
                    key: {name: text for name, text in row.items() if name in CSV_COLUMNS}
                    for key, row in whole.puts.items()
                },
                whole.deletes,
            )
        )

    def follow_neighbours(self) -> None:
        """Move the neighbouring bands along, if that makes the table right."""
        if whole := self.neighbours():
            self.cells = whole.applied_to(self.base.cells)

    def copy(self) -> Draft:
        """As it is now."""
        draft = Draft(self.base, self.author)
        draft.cells = {key: dict(row) for key, row in self.cells.items()}
        return draft

    def since(self, saved: Draft) -> Draft:
        """Only what was changed after it was as `saved`."""
        draft = self.copy()
        draft.base = replace(saved.base, cells=saved.cells)
        return draft

    def moved_to(self, now: TableState) -> Draft:
        """The same changes on a newer table; those of rows that are gone fall away."""
        draft, edit = Draft(now, self.author), self.edit()
        added = set(edit.puts) - set(self.base.cells)
        for key, columns in edit.puts.items():
            if key in added:
                draft.add(columns["attribute"], {column: columns.get(column, "") for column in EDITABLE})
            elif key in now.cells:
                draft.set(key, columns)
        for key in edit.deletes:
            draft.delete(key)
        return draft


def changes_of(base: TableState, edit: Edit) -> list[Change]:
    """Each cell that an edit changes, and each row that it adds or deletes."""
    found = []
    for key, columns in sorted(edit.puts.items()):
        there = base.cells.get(key)
        if there is None:
            found.append(Change(key, None, "", _whole(columns)))
        else:
            found += [Change(key, column, there.get(column, ""), text) for column, text in columns.items()]
    return found + [Change(key, None, _whole(base.cells[key]), "") for key in edit.deletes]


def groups_of(base: TableState, edit: Edit) -> list[Group]:
    """Attribute and patient of the rows that an edit changes, before and after it."""
    after = edit.applied_to(base.cells)
    touched = [*edit.puts, *edit.deletes]
    return sorted({group_of(key, cells[key]) for cells in (base.cells, after) for key in touched if key in cells})


def check_unchanged(base: TableState, now: TableState) -> None:
    """Raises StaleDraftError, with who changed which rows, unless the table says what it said."""
    others = differing(base, now)
    if others or base.edition != now.edition:
        raise StaleDraftError(
            f"Nothing was saved: the table was changed since this draft began{_by_whom(others, now)}. "
            "Take the draft over to the table as it is now, look at it again, and save."
        )


def differing(base: TableState, now: TableState) -> list[str]:
    """The rows that are not the same."""
    return sorted(key for key in {**base.cells, **now.cells} if base.cells.get(key) != now.cells.get(key))


def _by_whom(row_keys: Iterable[str], now: TableState) -> str:
    told = []
    for key in row_keys:
        author = now.last_change(key)[1] or SHELL if key in now.cells else "deleted"
        told.append(f"{key} by {author}" if author != "deleted" else f"{key} deleted")
    return f" ({', '.join(told[:4])}{' and more' if len(told) > 4 else ''})" if told else ""


def _differs(there: Mapping[str, str] | None, row: Mapping[str, str], column: str) -> bool:
    return there is None or there.get(column, "") != row.get(column, "")


def _whole(row: Mapping[str, str]) -> str:
    return ", ".join(f"{column} {row[column]}" for column in CSV_COLUMNS if row.get(column))
