"""NEWS2 against its published table (Royal College of Physicians, 2017), written down here once more, by limits.

Every combination of the values on both sides of every boundary, and of every other answer, is scored by
`clinical.news2.score` and compared with the sum of the published points.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice, product

from clinical.news2 import Score, score

Bands = dict[str, int]
"""Limits `low-high`, inclusive, and points. The outermost limits are those of what a sensor can report."""

PUBLISHED: dict[str, Bands] = {
    "respiratory_rate": {"0-8": 3, "9-11": 1, "12-20": 0, "21-24": 2, "25-120": 3},
    "systolic_bp": {"0-90": 3, "91-100": 2, "101-110": 1, "111-219": 0, "220-350": 3},
    "heart_rate": {"0-40": 3, "41-50": 1, "51-90": 0, "91-110": 1, "111-130": 2, "131-350": 3},
    "temperature": {"20.0-35.0": 3, "35.1-36.0": 1, "36.1-38.0": 0, "38.1-39.0": 1, "39.1-46.0": 2},
}
SCALE_1: Bands = {"0-91": 3, "92-93": 2, "94-95": 1, "96-100": 0}
SCALE_2_ON_AIR: Bands = {"0-83": 3, "84-85": 2, "86-87": 1, "88-92": 0, "93-100": 0}
SCALE_2_ON_OXYGEN: Bands = {"0-83": 3, "84-85": 2, "86-87": 1, "88-92": 0, "93-94": 1, "95-96": 2, "97-100": 3}
OXYGEN_POINTS = {False: 0, True: 2}
CONSCIOUSNESS: Bands = {"A": 0, "C": 3, "V": 3, "P": 3, "U": 3}
SATURATION = [(1, False, SCALE_1), (1, True, SCALE_1), (2, False, SCALE_2_ON_AIR), (2, True, SCALE_2_ON_OXYGEN)]

Breathing = tuple[int, bool, Decimal, int]
"""Scale, whether on oxygen, saturation and its points."""


def differences(every: int = 1) -> tuple[int, int]:
    """How many combinations were scored (about each `every`-th one), and how many otherwise than published."""
    count = wrong = 0
    for number, (breathing, (state, state_points)) in enumerate(product(_breathing(), CONSCIOUSNESS.items())):
        scale, on_oxygen, spo2, spo2_points = breathing
        combinations = product(*(_boundaries(bands) for bands in PUBLISHED.values()))
        for measured in islice(combinations, number % every, None, every):
            vitals = {"spo2": spo2, **dict(zip(PUBLISHED, (value for value, _ in measured), strict=True))}
            points = (OXYGEN_POINTS[on_oxygen], state_points, spo2_points, *(points for _, points in measured))
            count += 1
            wrong += score(vitals, on_oxygen, state, scale) != Score(sum(points), len(points), max(points))
    return count, wrong


def _breathing() -> Iterator[Breathing]:
    for scale, on_oxygen, bands in SATURATION:
        yield from ((scale, on_oxygen, value, points) for value, points in _boundaries(bands))


def _boundaries(bands: Bands) -> list[tuple[Decimal, int]]:
    """The lowest and the highest value of every band, with its points."""
    return [(Decimal(limit), points) for limits, points in bands.items() for limit in limits.split("-")]
