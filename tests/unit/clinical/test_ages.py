"""Age in years, exact at birthdays."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.ages import age_years


@pytest.mark.parametrize("years", [1, 4, 12, 16, 80])
def test_a_band_begins_on_the_birthday_and_not_a_day_before(years: int) -> None:
    birth = date(1940, 3, 31)
    birthday = date(1940 + years, 3, 31)
    assert age_years(birthday, birth) == years
    assert age_years(date(1940 + years, 3, 30), birth) < years


def test_three_months_are_a_quarter_of_a_year() -> None:
    assert age_years(date(2026, 4, 15), date(2026, 1, 15)) == 0.25


def test_the_last_days_of_two_months_are_a_whole_number_of_months_apart() -> None:
    assert age_years(date(2026, 2, 28), date(2025, 8, 31)) == 0.5


@given(st.dates(date(1900, 1, 1), date(2090, 1, 1)), st.integers(0, 36500))
def test_age_never_falls_as_days_pass(birth: date, days: int) -> None:
    earlier = date.fromordinal(birth.toordinal() + days)
    later = date.fromordinal(birth.toordinal() + days + 1)
    assert age_years(earlier, birth) <= age_years(later, birth)
