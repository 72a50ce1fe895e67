"""Which rows of the threshold table the page shows: an attribute, whose limits, an age group. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clinical.thresholds import ThresholdRow, parse_rows
from clinical.vitals import JUDGED
from dashboard.limits.lanes import Lane, ages_in_words, lanes_of
from hbase.edits import Group, group_of
from hbase.table import Cells

ALL_AGES = "all"
LANES_AT_ONCE = 3
"""With more age groups than these the oldest is chosen at first, which is the adults."""


@dataclass(frozen=True)
class Shown:
    """A row as the page lists it: `row` None: its cells cannot be read. `is_deleted`: the draft leaves it out."""

    row_key: str
    cells: Mapping[str, str]
    row: ThresholdRow | None
    is_deleted: bool
    is_changed: bool


def attributes_of(cells: Cells) -> dict[str, str]:
    """What may be chosen, with its label: all that can be judged, and what else the table speaks of."""
    others = {attribute for attribute, _ in (group_of(key, row) for key, row in cells.items())} - JUDGED.keys()
    return {name: vital.label for name, vital in JUDGED.items()} | {name: name for name in sorted(others)}


def patients_of(cells: Cells, attribute: str) -> list[str]:
    """The patients who have limits of their own for it."""
    groups = {group_of(key, row) for key, row in cells.items()}
    return sorted(patient for named, patient in groups if named == attribute and patient)


def age_choices(lanes: Sequence[Lane]) -> dict[str, str]:
    """The age groups by their key, in words; all ages first."""
    return {ALL_AGES: "all ages"} | {lane_key(lane): ages_in_words(lane) for lane in lanes if len(lanes) > 1}


def first_age(lanes: Sequence[Lane]) -> str:
    """Which age group is chosen when nobody has chosen."""
    return lane_key(lanes[-1]) if len(lanes) > LANES_AT_ONCE else ALL_AGES


def lane_key(lane: Lane) -> str:
    """What names an age group while its lower end stays."""
    return f"{lane.low_age:f}"


def lanes_shown(lanes: Sequence[Lane], age: str) -> list[Lane]:
    """The lanes of the chosen age, and every other one in which something is wrong."""
    return [lane for lane in lanes if age in (ALL_AGES, lane_key(lane)) or not lane.is_right]


def rows_shown(base: Cells, draft: Cells, group: Group, age: str) -> list[Shown]:
    """The rows of a group at an age by age and value, with those that the draft deletes; first what cannot be read."""
    cells = {key: row for key, row in {**base, **draft}.items() if group_of(key, row) == group}
    readable = {row.row_key: row for row in parse_rows(cells)[0]}
    lanes = lanes_of([row for key, row in readable.items() if key in draft])
    chosen = next((lane for lane in lanes if lane_key(lane) == age), None)
    found = [
        Shown(key, row, readable.get(key), key not in draft, draft.get(key) != base.get(key))
        for key, row in cells.items()
        if chosen is None or key not in readable or _holds_in(readable[key], chosen) or draft.get(key) != base.get(key)
    ]
    return sorted(found, key=_place)


def _holds_in(row: ThresholdRow, lane: Lane) -> bool:
    return (row.high_age is None or lane.low_age < row.high_age) and (
        lane.high_age is None or row.low_age < lane.high_age
    )


def _place(shown: Shown) -> tuple[bool, float, float, str]:
    row = shown.row
    if row is None:
        return False, 0.0, 0.0, shown.row_key
    low = float("-inf") if row.low_value is None else float(row.low_value)
    return True, float(row.low_age), low, shown.row_key
