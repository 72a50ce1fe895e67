"""Which stored values may be breaches at all, as an HQL condition, so that the audit reads only these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from clinical.thresholds import ThresholdRow
from clinical.vitals import VITALS, Vital

Limits = tuple[Decimal | None, Decimal | None]
"""Lowest and highest value that is no breach; None is open."""

Harmless = Mapping[tuple[str, str | None], Limits | None]
"""By attribute and patient: None there are the general limits. None for limits: any value may be a breach."""


def never_breaches(rows: Iterable[ThresholdRow], catalogue: Mapping[str, Vital] = VITALS) -> Harmless:
    """The values that no row of some tables calls a breach at any age, for each attribute of the catalogue.

    An attribute that no table judges is left out. A patient with limits of their own, of whom some tables may know
    nothing, breaches nothing where neither these nor the general ones are breached.
    """
    normal: dict[tuple[str, str | None], list[ThresholdRow]] = {}
    for row in rows:
        if row.attribute in catalogue:
            found = normal.setdefault((row.attribute, row.patient_id), [])
            if row.direction == "normal":
                found.append(row)
    return {whose: _common(found) for whose, found in normal.items()}


def suspicious(harmless: Harmless) -> str:
    """HQL condition for the values that some table may call a breach."""
    patients: dict[tuple[str, Limits | None], list[str | None]] = {}
    for (attribute, patient), limits in harmless.items():
        patients.setdefault((attribute, limits), []).append(patient)
    conditions = (_condition(attribute, limits, whose) for (attribute, limits), whose in patients.items())
    return " OR ".join(conditions) or "false"


def _condition(attribute: str, limits: Limits | None, patients: Sequence[str | None]) -> str:
    named = [_text(patient) for patient in patients if patient is not None]
    for_them = "" if None in patients else f" AND patient_id IN ({', '.join(named)})"
    return f"(attribute = '{attribute}'{for_them} AND {_outside(limits)})"


def _common(rows: Sequence[ThresholdRow]) -> Limits | None:
    lows = [row.low_value for row in rows if row.low_value is not None]
    highs = [row.high_value for row in rows if row.high_value is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    if not rows or (low is not None and high is not None and low > high):
        return None
    return low, high


def _outside(limits: Limits | None) -> str:
    """A value counts as outside from the limit on: it is rounded before it is judged."""
    if limits is None:
        return "true"
    low, high = limits
    parts = [f"value < {low}"] if low is not None else []
    parts += [f"value > {high}"] if high is not None else []
    return f"({' OR '.join(parts) or 'false'})"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
