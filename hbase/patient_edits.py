"""Edits of the limits of one patient. Pure."""

from __future__ import annotations

from decimal import Decimal

from clinical.ages import ADULT_YEARS
from clinical.patient_limits import UnfitLimitsError, patient_rows
from clinical.threshold_rows import NUMBER
from clinical.thresholds import read_table, row_cells
from hbase.edits import Edit, RefusedError, group_of, plan_group
from hbase.table import Cells
from infra.errors import ConfigurationError


def plan_patient(
    cells: Cells,
    patient_id: str,
    attribute: str,
    normal: str,
    author: str,
    reason: str,
    age_years: float = ADULT_YEARS,
) -> Edit:
    """A signed edit that gives a patient limits of their own, in place of those that the patient may have.

    `normal` is `LOW:HIGH`; a side left out stays as in the general rows at `age_years`. Raises ConfigurationError when
    something is missing or makes no sense, RefusedError when the table is not right as it is.
    """
    needed = {"a patient": patient_id, "an author: add --author": author, "a reason: add --reason": reason}
    for what, text in needed.items():
        if not text.strip():
            raise ConfigurationError(f"Limits of one patient need {what}.")
    rows, problems = read_table(cells)
    if problems:
        raise RefusedError(problems)
    low, high = _range(normal)
    try:
        made = patient_rows(rows, attribute, low, high, patient_id.strip(), reason.strip(), age_years)
    except UnfitLimitsError as error:
        raise ConfigurationError(str(error)) from error
    return plan_group(cells, (attribute, patient_id.strip()), [row_cells(row) for row in made]).signed(author.strip())


def plan_patient_removal(cells: Cells, patient_id: str, attribute: str) -> Edit:
    """An edit that takes a patient's own limits away, so that the general ones hold. Raises ConfigurationError."""
    keys = [key for key, row in sorted(cells.items()) if group_of(key, row) == (attribute, patient_id)]
    if not keys or not patient_id:
        raise ConfigurationError(f"Patient {patient_id!r} has no limits of their own for {attribute!r}.")
    return Edit(deletes=tuple(keys))


def _range(text: str) -> tuple[Decimal | None, Decimal | None]:
    sides = text.strip().split(":")
    if len(sides) != 2 or not any(sides) or not all(NUMBER.fullmatch(side) for side in sides if side):
        raise ConfigurationError(
            f"The normal range is {text!r}: write LOW:HIGH, for example 88:92; a side left out, as in 88:, stays as in "
            "the general rows."
        )
    low, high = (Decimal(side) if side else None for side in sides)
    return low, high
