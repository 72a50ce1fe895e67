"""Values that show that a device's clock was set back."""

from __future__ import annotations

import pytest

from clinical.device_clock import Behind, behind


def after(*values: tuple[int, int], newest: int = 1_000_000) -> Behind | None:
    """What lies behind the newest with these values: seconds of measuring and of insertion."""
    known = None
    for at, inserted in values:
        known = behind(known, newest, at * 1000, inserted * 1000)
    return known


@pytest.mark.parametrize(
    ("values", "was_set_back"),
    [
        ([(1, 1), (2, 2)], False),
        ([(1, 1), (2, 2), (3, 3)], True),
        ([(1, 1), (2, 2), (3, 2)], True),
        ([(1, 1), (2, 1), (3, 1)], False),
        ([(1, 1), (2, 1), (3, 1), (4, 3)], True),
        ([(3, 1), (2, 2), (1, 3)], False),
    ],
)
def test_three_values_in_a_row_that_pass_as_time_does_show_it(
    values: list[tuple[int, int]], was_set_back: bool
) -> None:
    known = after(*values)
    assert known is not None
    assert known.was_set_back == was_set_back


def test_one_that_lies_behind_no_longer_ends_the_row() -> None:
    assert after((1, 1), (2, 2), (1001, 3)) is None
