"""Whether all rows arrived, each once."""

import pytest

from bench.arrivals import require_each_once
from infra.errors import WardError


def test_each_row_once_in_any_order_is_right() -> None:
    require_each_once([1, 2, 3], iter([3, 1, 2]))
    require_each_once([], [])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([1, 2], "Of 3 rows: 1 rows did not arrive, the first with id 3"),
        ([1, 2, 3, 2], "1 rows arrived more than once, the first with id 2"),
        ([1, 2, 3, 9], "1 rows arrived though nobody wrote them, the first with id 9"),
        ([2, 2], "2 rows did not arrive, the first with id 1; 1 rows arrived more than once"),
    ],
)
def test_what_is_wrong_is_counted_and_the_first_of_it_named(found: list[int], said: str) -> None:
    with pytest.raises(WardError, match=said):
        require_each_once([1, 2, 3], found)
