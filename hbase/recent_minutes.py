"""Lowest, mean and highest value of each minute. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from clinical.device import is_believed
from clinical.vitals import SIGNAL_QUALITY, VITALS
from hbase.recent_rows import DerivedValue, Reading

MINUTE_MS = 60_000
DECIMALS = 4
"""Of a mean: one more than a stored value has."""

PARTIAL = "_partial"
"""Added to the name of a computed attribute for its values that lack inputs: a partial NEWS2 may be too low, so that it
is not mixed with the complete ones."""


class Spread(NamedTuple):
    """What the values of a minute come to."""

    low: float
    mean: float
    high: float
    number: int


@dataclass(frozen=True)
class MinuteCurve:
    """An attribute by minute, oldest first, without the minutes in which it has no value. `minutes`: epoch ms of their
    beginnings. All arrays are of the same length."""

    minutes: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]


MinuteSeries = dict[str, MinuteCurve]
"""Attribute -> its curve; empty arrays where there is nothing."""


def minute_of(at: int) -> int:
    """Beginning of the minute of a time, both in epoch ms."""
    return at - at % MINUTE_MS


def spreads(
    readings: Iterable[Reading], derived: Iterable[DerivedValue], least_quality: float
) -> dict[int, dict[str, Spread]]:
    """Minute -> attribute -> spread. The order of what comes in does not matter.

    Values that are not believed (`clinical.device.is_believed`) are left out.
    """
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for reading in readings:
        minute, quality = found[minute_of(reading.recorded_at)], reading.values.get(SIGNAL_QUALITY)
        for attribute, value in reading.values.items():
            if attribute in VITALS and is_believed(attribute, quality, least_quality):
                minute[attribute].append(value)
    for one in derived:
        name = one.attribute + PARTIAL if one.is_partial else one.attribute
        found[minute_of(one.computed_for)][name].append(one.value)
    return {
        minute: {attribute: _spread(values) for attribute, values in attributes.items()}
        for minute, attributes in found.items()
    }


def _spread(values: Sequence[float]) -> Spread:
    # fsum, as its result does not depend on the order.
    return Spread(min(values), round(math.fsum(values) / len(values), DECIMALS), max(values), len(values))


def minute_content(minute: Mapping[str, Spread]) -> bytes:
    """Content of a minute's one cell. The same minute gives the same bytes."""
    return orjson.dumps({attribute: tuple(minute[attribute]) for attribute in sorted(minute)})


def curves(rows: Iterable[tuple[int, bytes]], attributes: Iterable[str]) -> MinuteSeries:
    """The curves of these attributes, from minutes (epoch ms) with the contents of their cells, in any order."""
    found: dict[str, list[tuple[float, ...]]] = {attribute: [] for attribute in attributes}
    for minute, content in rows:
        told = orjson.loads(content)
        for attribute, points in found.items():
            if attribute in told:
                points.append((minute, *told[attribute]))
    return {attribute: _curve(points) for attribute, points in found.items()}


def _curve(points: list[tuple[float, ...]]) -> MinuteCurve:
    # Epoch milliseconds are exact in a double.
    table = np.array(sorted(points), dtype=np.float64).reshape(-1, 5)
    minutes, low, mean, high, count = table.T
    return MinuteCurve(minutes.astype(np.int64), low, mean, high, count.astype(np.int64))


def runs(minutes: Iterable[int], gap: int, longest: int) -> Iterator[tuple[int, int]]:
    """First minute and the end of the last, of stretches that cover these minutes (epoch ms): up to `gap` minutes apart
    they are one stretch, of at most `longest` minutes."""
    first = last = None
    for minute in sorted(set(minutes)):
        if first is not None and last is not None:
            if minute - last <= gap * MINUTE_MS and minute - first < longest * MINUTE_MS:
                last = minute
                continue
            yield first, last + MINUTE_MS
        first = last = minute
    if first is not None and last is not None:
        yield first, last + MINUTE_MS
