"""Limits of one patient, made from the general ones: the bands move along with the edges of the normal band.

Each band keeps its width, severity, delay and margin, so that no number is made up. For a COPD patient at 88 to 92 %
this gives 86-87 low, 84-85 medium, 83 or less high: scale 2 of NEWS2 (RCP 2017), made from its scale 1. The message
says that the range is the patient's own: the general one may name a number or a grade that no longer holds.

Where the general rows have no band on a side (oxygen saturation above the normal, say) there is nothing to move: what
lies beyond the patient's limit is then of low severity, which is recorded and not mailed. NEWS2 itself scores a
saturation above 92 % on oxygen only, and a band cannot see the oxygen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from clinical.ages import ADULT_YEARS
from clinical.thresholds import ThresholdRow, limits_for
from clinical.vitals import JUDGED, Vital

Side = Literal["low", "high"]

SET = "set for this patient"


class UnfitLimitsError(ValueError):
    """No sound limits can be made; the message says why and what to do."""


def patient_rows(
    rows: Iterable[ThresholdRow],
    attribute: str,
    low: Decimal | None,
    high: Decimal | None,
    patient_id: str,
    reason: str,
    age_years: float = ADULT_YEARS,
) -> list[ThresholdRow]:
    """A complete set of rows, for all ages, by which `low` to `high` (in the attribute's unit) is normal for a patient.

    They are made from the general rows of the checked table `rows` that hold at `age_years`. A side whose limit is None
    stays as it is there. Lowest values first; neither key nor author is filled in. Raises UnfitLimitsError.
    """
    vital = JUDGED.get(attribute)
    if vital is None:
        raise UnfitLimitsError(f"{attribute!r} is no attribute that is judged: use one of {', '.join(JUDGED)}.")
    general = [row for row in limits_for(rows, attribute, None) if _holds_at(row, age_years)]
    if not any(row.alert_flag for row in general):
        raise UnfitLimitsError(
            f"The general rows alert for no {attribute} at age {age_years:g}, so there is nothing to take severities "
            "and delays from: write the patient's rows into a file and import it."
        )
    normal = next(row for row in general if row.direction == "normal")
    own = replace(
        normal,
        low_value=normal.low_value if low is None else low,
        high_value=normal.high_value if high is None else high,
        source=SET,
    )
    _check_normal(vital, low, high, own)
    bands = [*_side("low", low, general, normal), own, *_side("high", high, general, normal)]
    return [
        replace(
            row,
            row_key="",
            low_age=Decimal(0),
            high_age=None,
            updated_by=None,
            patient_id=patient_id,
            reason=reason,
        )
        for row in bands
    ]


def _holds_at(row: ThresholdRow, age: float) -> bool:
    return float(row.low_age) <= age and (row.high_age is None or age < float(row.high_age))


def _check_normal(vital: Vital, low: Decimal | None, high: Decimal | None, own: ThresholdRow) -> None:
    step = Decimal(1).scaleb(-vital.scale)
    for limit in (low, high):
        if limit is not None and limit % step != 0:
            raise UnfitLimitsError(f"{limit} is finer than the resolution of {vital.attribute}, which is {step}.")
        if limit is not None and not vital.low <= limit <= vital.high:
            raise UnfitLimitsError(
                f"{limit} is no plausible {vital.attribute}: its values go from {vital.low} to {vital.high}."
            )
    if own.low_value is not None and own.high_value is not None and own.low_value > own.high_value:
        whose = "" if low is not None and high is not None else ", one of which is the general limit: give both"
        raise UnfitLimitsError(f"The lower limit {own.low_value} is above the upper limit {own.high_value}{whose}.")


def _side(
    side: Side, limit: Decimal | None, general: Sequence[ThresholdRow], normal: ThresholdRow
) -> list[ThresholdRow]:
    """The bands on one side of the normal band whose edge is to be at `limit`, lowest values first."""
    edge = normal.low_value if side == "low" else normal.high_value
    bands = sorted((row for row in general if row.direction == side), key=lambda row: row.low_value or Decimal("-Inf"))
    if limit is None or limit == edge:
        return bands
    if edge is None:
        return [_recorded(side, limit, general, normal)]
    _check_reach(side, bands, edge, limit)
    return [_moved(row, limit - edge) for row in bands]


def _moved(row: ThresholdRow, by: Decimal) -> ThresholdRow:
    return replace(
        row,
        low_value=None if row.low_value is None else row.low_value + by,
        high_value=None if row.high_value is None else row.high_value + by,
        alert_message=_message(row.direction),
        source=f"{row.source}, moved along with this patient's normal range",
    )


def _recorded(side: Side, limit: Decimal, general: Sequence[ThresholdRow], normal: ThresholdRow) -> ThresholdRow:
    """The band beyond a limit where the general rows have none."""
    vital = JUDGED[normal.attribute]
    step = Decimal(1).scaleb(-vital.scale)
    return replace(
        normal,
        direction=side,
        low_value=limit + step if side == "high" else None,
        high_value=limit - step if side == "low" else None,
        alert_flag=True,
        severity="low",
        delay_seconds=max(row.delay_seconds for row in general if row.alert_flag),
        alert_message=_message(side),
        source=SET,
    )


def _message(direction: str) -> str:
    return f"{'Below' if direction == 'low' else 'Above'} this patient's own range"


def _check_reach(side: Side, bands: Sequence[ThresholdRow], edge: Decimal, limit: Decimal) -> None:
    """The outermost band must hold some plausible value still: else an apnoea, say, would be of low severity."""
    outermost = bands[0] if side == "low" else bands[-1]
    vital = JUDGED[outermost.attribute]
    begin, end = (outermost.high_value, vital.low) if side == "low" else (outermost.low_value, vital.high)
    assert begin is not None
    furthest = end + edge - begin
    if limit < furthest if side == "low" else limit > furthest:
        raise UnfitLimitsError(
            f"With {limit} as the {'lower' if side == 'low' else 'upper'} limit, no {vital.attribute} could reach the "
            f"band {outermost.alert_message!r} any more: go no further than {furthest}, or write the patient's rows "
            "into a file and import it."
        )
