"""Age in years, the same in Python and in Spark.

Defined as Spark's `months_between(at, birth, false) / 12`: whole months by the calendar, plus the days that remain
over 31. It is exact at every monthly birthday, so that the bands of the threshold table, `[low, high)` in years
(0.25 is three months), begin on the day they should.
"""

from __future__ import annotations

import calendar
from datetime import date

ADULT_YEARS = 40.0
"""The age by which a patient of unknown age is judged: any in the adult band."""


def months_between(at: date, birth: date) -> float:
    """Months from `birth` to `at`; both on the same day of the month, or both on its last day, give a whole number."""
    months = (at.year - birth.year) * 12 + at.month - birth.month
    last_at = calendar.monthrange(at.year, at.month)[1]
    last_birth = calendar.monthrange(birth.year, birth.month)[1]
    if at.day == birth.day or (at.day == last_at and birth.day == last_birth):
        return float(months)
    return months + (at.day - birth.day) / 31.0


def age_years(at: date, birth: date) -> float:
    """Age in years at the day `at` (UTC)."""
    return months_between(at, birth) / 12.0
