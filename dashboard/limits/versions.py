"""The history of one row of the threshold table, from HBase's versions of its cells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hbase.edits import EDITABLE
from hbase.table import VERSIONS, CellVersion, TableState
from infra.errors import ConfigurationError

TOGETHER_MS = 2000
"""Rows written by the same author within so long were most likely one edit."""


@dataclass(frozen=True)
class RowVersion:
    """A row as it was from `at` (epoch ms) on. `author` None: a `put` in the HBase shell, which names nobody.

    `changed`: what each cell was before and became. `is_whole`: no cell of it has been forgotten.
    """

    at: int
    author: str | None
    cells: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]
    is_whole: bool

    @property
    def settable(self) -> dict[str, str]:
        """The cells that an edit writes to bring it back."""
        return {column: self.cells.get(column, "") for column in EDITABLE}


def row_versions(versions: Iterable[CellVersion]) -> list[RowVersion]:
    """Each moment at which something was written to a row, oldest first, with the row as it then was."""
    moments: dict[int, dict[str, str]] = {}
    kept: dict[str, list[int]] = {}
    for version in versions:
        moments.setdefault(version.written_at, {})[version.column] = version.text
        kept.setdefault(version.column, []).append(version.written_at)
    known_from = max((min(times) for times in kept.values() if len(times) >= VERSIONS), default=0)
    cells: dict[str, str] = {}
    found = []
    for at, columns in sorted(moments.items()):
        changed = {
            column: (cells.get(column, ""), text)
            for column, text in columns.items()
            if column != "updated_by" and cells.get(column, "") != text
        }
        cells = {**cells, **columns}
        found.append(RowVersion(at, columns.get("updated_by"), cells, changed, at >= known_from))
    return found


def before_the_last_change(versions: Sequence[RowVersion]) -> RowVersion | None:
    """The newest version that says something else than the row does now; None: there is none that is whole."""
    if not versions:
        return None
    now = versions[-1].settable
    return next((one for one in reversed(versions) if one.is_whole and one.settable != now), None)


def saved_together(state: TableState, row_key: str, row_keys: Iterable[str]) -> list[str]:
    """Those of `row_keys` that were changed last in the same edit as `row_key`, itself among them."""
    at, author = state.last_change(row_key)
    changes = {key: state.last_change(key) for key in row_keys if key in state.cells}
    return sorted(key for key, (when, who) in changes.items() if who == author and abs(when - at) <= TOGETHER_MS)


def undone(row_key: str, histories: Mapping[str, Sequence[RowVersion]]) -> dict[str, dict[str, str] | None]:
    """What the rows that were saved together with `row_key` were before: their cells; None: not there.

    Raises ConfigurationError when that row has no version before its last change.
    """
    found: dict[str, dict[str, str] | None] = {}
    for key, versions in histories.items():
        before = before_the_last_change(versions)
        if before is not None:
            found[key] = before.settable
        elif len(versions) == 1 and key != row_key:
            found[key] = None
    if row_key not in found:
        raise ConfigurationError(f"HBase keeps no version of {row_key} from before its last change.")
    return found
