"""Edits of the threshold table, planned and checked as a whole before anything is written. Pure, but for `make`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from clinical.thresholds import (
    COLUMNS,
    CSV_COLUMNS,
    ROW_KEY,
    ThresholdProblem,
    ThresholdRow,
    ages_meet,
    parse_rows,
    read_table,
)
from clinical.vitals import JUDGED
from hbase.files import row_key
from hbase.table import Cells, TableState, apply_edit, read_state
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.settings import Settings

Group = tuple[str, str]
"""Rows that judge together: their attribute, and the patient whose own they are (blank: the general ones)."""

EDITABLE = tuple(column for column in CSV_COLUMNS if column != "attribute")
PROBLEMS_SHOWN = 8


@dataclass(frozen=True)
class Edit:
    """Cells to write (`row key -> column -> text`, only those that change) and rows to delete."""

    puts: Cells = field(default_factory=dict)
    deletes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes)

    def signed(self, author: str) -> Edit:
        """The same with the author in every row that it writes."""
        return Edit({key: {**columns, "updated_by": author} for key, columns in self.puts.items()}, self.deletes)

    def applied_to(self, cells: Mapping[str, Mapping[str, str]]) -> Cells:
        """The table after the edit."""
        after = {key: dict(row) for key, row in cells.items() if key not in self.deletes}
        for key, columns in self.puts.items():
            after.setdefault(key, {}).update(columns)
        return after


class RefusedError(WardError):
    """The table would not be right after the edit; nothing was written."""

    def __init__(self, problems: Sequence[ThresholdProblem]) -> None:
        lines = [f"  {problem}" for problem in problems[:PROBLEMS_SHOWN]]
        if len(problems) > PROBLEMS_SHOWN:
            lines.append(f"  and {len(problems) - PROBLEMS_SHOWN} more")
        super().__init__("Nothing was written, because the table would not be right:\n" + "\n".join(lines))
        self.problems = list(problems)


def check(cells: Mapping[str, Mapping[str, str]], edit: Edit) -> list[ThresholdRow]:
    """Rows of the whole table after the edit. Raises RefusedError when it would not be right."""
    rows, problems = read_table(edit.applied_to(cells))
    if problems:
        raise RefusedError(problems)
    return rows


def make(settings: Settings, state: TableState, edit: Edit) -> None:
    """Check the edit, write it, and read the table again to see that it stands there.

    Raises RefusedError or EditConflictError with nothing written; UnavailableError when HBase went away, or when an
    edit in the HBase shell came in between, which the table then has to be looked at for.
    """
    check(state.cells, edit)
    apply_edit(settings, state, edit.puts, edit.deletes)
    if read_state(settings).cells != edit.applied_to(state.cells):
        raise UnavailableError(
            "HBase", settings.thresholds.table, "the table is not what was written; see `./ward thresholds check`"
        )


def plan_set(cells: Cells, words: Sequence[str]) -> Edit:
    """`ROW_KEY column=value …`, once or several times, as an edit of existing rows; blank values are open limits.

    Raises ConfigurationError when a word is neither or names an unknown row or column.
    """
    changes: Cells = {}
    current: str | None = None
    for word in words:
        column, equals, value = word.partition("=")
        if not equals:
            current = _existing(cells, word)
            changes.setdefault(current, {})
        elif current is None:
            raise ConfigurationError(f"{word!r} comes before a row key: write ROW_KEY column=value.")
        elif column not in EDITABLE:
            raise ConfigurationError(f"{column!r} cannot be set: use one of {', '.join(EDITABLE)}.")
        else:
            changes[current][column] = value.strip()
    without = [key for key, columns in changes.items() if not columns]
    if without:
        raise ConfigurationError(f"Nothing to set in {without[0]}: write column=value after it.")
    return _differences(cells, changes)


def plan_add(cells: Cells, words: Sequence[str]) -> Edit:
    """`attribute column=value …` as an edit that adds one row under the next free key. Raises ConfigurationError."""
    attribute, *pairs = words
    row = dict.fromkeys(CSV_COLUMNS, "") | {"attribute": attribute, "low_age_limit": "0", "delay_seconds": "0"}
    for word in pairs:
        column, equals, value = word.partition("=")
        if not equals or column not in EDITABLE:
            raise ConfigurationError(f"{word!r} is no column=value; columns are {', '.join(EDITABLE)}.")
        row[column] = value.strip()
    return Edit(puts={_free_keys(cells, attribute, 1)[0]: row})


def plan_delete(cells: Cells, row_keys: Iterable[str]) -> Edit:
    """An edit that deletes those rows. Raises ConfigurationError when one is not there."""
    return Edit(deletes=tuple(dict.fromkeys(_existing(cells, key) for key in row_keys)))


def plan_import(cells: Cells, wanted: Sequence[Mapping[str, str]], replace: Sequence[str] = ()) -> Edit:
    """An edit that makes the table, or only the attributes in `replace`, say what `wanted` says.

    Rows that are there already keep their key, author and history; others take over the keys that become free, in
    order, then new ones. So what was exported from a table changes nothing in it. Rows of attributes outside `replace`
    are left as they are and those in `wanted` are not looked at. So are limits of one patient, unless `wanted` has some
    of that patient for that attribute; and those of one patient never take the place of the general ones. Raises
    ConfigurationError when the general rows of an attribute would vanish without being named in `replace`, or a name
    there is in neither place.
    """
    ours = {attribute_of(key, row) for key, row in cells.items() if not _patient_of(row)}
    theirs = {row["attribute"] for row in wanted if not _patient_of(row)}
    everything = {attribute_of(key, row) for key, row in cells.items()} | {row["attribute"] for row in wanted}
    if unknown := sorted(set(replace) - everything):
        raise ConfigurationError(f"Neither the file nor the table has rows of {', '.join(unknown)}.")
    if not replace and (vanishing := sorted(ours - theirs)):
        raise ConfigurationError(
            f"The file has no rows of {', '.join(vanishing)}, which the table has. Without --replace a file is the "
            f"whole table; to import only its own attributes add `--replace {','.join(sorted(theirs))}`."
        )
    groups: dict[Group, list[Mapping[str, str]]] = {}
    for attribute in set(replace) or everything:
        rows = [row for row in wanted if row["attribute"] == attribute]
        for group in {(attribute, _patient_of(row)) for row in rows} or {(attribute, "")}:
            groups[group] = [row for row in rows if _patient_of(row) == group[1]]
    edit = Edit()
    for group in sorted(groups):
        part = plan_group(cells, group, groups[group], taken=edit.puts)
        edit = Edit(edit.puts | part.puts, edit.deletes + part.deletes)
    return edit


def plan_group(cells: Cells, group: Group, wanted: Sequence[Mapping[str, str]], taken: Iterable[str] = ()) -> Edit:
    """An edit that makes the rows of one group say what `wanted` says; new rows get none of the keys in `taken`."""
    attribute = group[0]
    unmatched = {key: row for key, row in sorted(cells.items()) if group_of(key, row) == group}
    remaining = []
    for row in wanted:
        same = next((key for key, there in unmatched.items() if _says(there) == _says(row)), None)
        if same is None:
            remaining.append(row)
        else:
            del unmatched[same]
    reused = [key for key, row in unmatched.items() if _well_formed(key, row, attribute)][: len(remaining)]
    keys = [*reused, *_free_keys((*cells, *taken), attribute, len(remaining) - len(reused))]
    puts = {key: dict(row) for key, row in zip(keys, remaining, strict=True)}
    return Edit(puts, tuple(key for key in unmatched if key not in reused))


def limits_left(cells: Cells, wanted: Sequence[Mapping[str, str]], replace: Sequence[str] = ()) -> list[Group]:
    """The limits of single patients that an import of `wanted` leaves as they are, because it has none of them."""
    ours = {group_of(key, row) for key, row in cells.items()}
    theirs = {(row["attribute"], _patient_of(row)) for row in wanted}
    return sorted(group for group in ours - theirs if group[1] and (not replace or group[0] in replace))


def attribute_of(key: str, row: Mapping[str, str]) -> str:
    """The attribute that a row speaks of; a broken row counts to the one that its key names."""
    return row.get("attribute") or key.partition("#")[0]


def group_of(key: str, row: Mapping[str, str]) -> Group:
    """The rows that a row belongs to."""
    return attribute_of(key, row), _patient_of(row)


def _patient_of(row: Mapping[str, str]) -> str:
    return row.get("patient_id", "").strip()


def companions(cells: Cells, edit: Edit) -> Edit | None:
    """The same edit with the neighbouring bands moved along, when that makes the table right, else None.

    A limit is shared by two bands: whoever moves one must move the other, in the same edit.
    """
    before = {row.row_key: row for row in parse_rows(cells)[0]}
    after = {row.row_key: row for row in parse_rows(edit.applied_to(cells))[0]}
    moved = {key: dict(columns) for key, columns in edit.puts.items()}
    for key in edit.puts:
        if key not in before or key not in after or before[key].attribute not in JUDGED:
            continue
        old, new = before[key], after[key]
        step = Decimal(1).scaleb(-JUDGED[old.attribute].scale)
        for other in before.values():
            if _whose(other) != _whose(old) or other.row_key in edit.puts or not ages_meet(old, other):
                continue
            if _moved(old.high_value, new.high_value) and other.low_value == _plus(old.high_value, step):
                moved.setdefault(other.row_key, {})["low_value"] = str(_plus(new.high_value, step))
            if _moved(old.low_value, new.low_value) and other.high_value == _plus(old.low_value, -step):
                moved.setdefault(other.row_key, {})["high_value"] = str(_plus(new.low_value, -step))
    whole = Edit(moved, edit.deletes)
    return whole if moved != edit.puts and not read_table(whole.applied_to(cells))[1] else None


def _whose(row: ThresholdRow) -> tuple[str | None, str]:
    return row.patient_id, row.attribute


def _moved(old: Decimal | None, new: Decimal | None) -> bool:
    return old is not None and new is not None and old != new


def _plus(value: Decimal | None, step: Decimal) -> Decimal | None:
    return None if value is None else value + step


def _existing(cells: Cells, key: str) -> str:
    if key in cells:
        return key
    attribute = key.partition("#")[0]
    near = sorted(known for known in cells if known.startswith(f"{attribute}#"))
    hint = f"its rows are {near[0]} to {near[-1]}" if near else "see `./ward thresholds list`"
    raise ConfigurationError(f"The table has no row {key}: {hint}.")


def _differences(cells: Cells, changes: Cells) -> Edit:
    """Only the cells that really change."""
    puts = {
        key: {column: text for column, text in columns.items() if cells[key].get(column, "") != text}
        for key, columns in changes.items()
    }
    return Edit({key: columns for key, columns in puts.items() if columns})


def _well_formed(key: str, row: Mapping[str, str], attribute: str) -> bool:
    """Whether the row can be written over: its key fits and it has no cell that would stay behind."""
    found = ROW_KEY.fullmatch(key)
    return found is not None and found["attribute"] == attribute and set(row) <= set(COLUMNS)


def _says(row: Mapping[str, str]) -> list[str]:
    """What a row says, apart from its author; a cell that the table does not know counts too."""
    known = [row.get(column, "").strip() for column in CSV_COLUMNS]
    return known + sorted(set(row) - set(COLUMNS))


def _free_keys(taken: Iterable[str], attribute: str, count: int) -> list[str]:
    numbers = [int(found["number"]) for key in taken if (found := ROW_KEY.fullmatch(key)) and found[1] == attribute]
    first = max(numbers, default=0) + 1
    return [row_key(attribute, number) for number in range(first, first + count)]
