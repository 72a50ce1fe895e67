"""Comparing two ascending streams of ids in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

LISTED_IDS = 100_000
"""How many ids of each kind a finding holds; all are counted."""


@dataclass
class Ids:
    """Ids of one kind: how many there are, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, value: int) -> None:
        self.count += 1
        if len(self.first) < LISTED_IDS:
            self.first.append(value)

    def remove(self, values: Collection[int]) -> None:
        """Leave out those of the listed ids."""
        before = len(self.first)
        self.first = [value for value in self.first if value not in values]
        self.count -= before - len(self.first)


@dataclass
class Difference:
    """What two streams disagree about, and how many ids each of them had.

    `missing`: expected and not found. `unexpected`: found and not expected. `duplicates`: found more than once; each
    such id is counted once.
    """

    expected: int = 0
    found: int = 0
    missing: Ids = field(default_factory=Ids)
    unexpected: Ids = field(default_factory=Ids)
    duplicates: Ids = field(default_factory=Ids)


def compare(expected: Iterable[int], found: Iterable[int]) -> Difference:
    """The difference of two streams, both ascending; `expected` without repeats. Holds at most LISTED_IDS of each kind.

    Raises ValueError when a stream is not ascending: the comparison would be wrong without a sign of it.
    """
    difference = Difference()
    wanted = _ascending(expected)
    want = next(wanted, None)
    for value, copies in ((key, sum(1 for _ in group)) for key, group in groupby(_ascending(found))):
        difference.found += copies
        if copies > 1:
            difference.duplicates.add(value)
        while want is not None and want < value:
            difference.expected += 1
            difference.missing.add(want)
            want = next(wanted, None)
        if want == value:
            difference.expected += 1
            want = next(wanted, None)
        else:
            difference.unexpected.add(value)
    while want is not None:
        difference.expected += 1
        difference.missing.add(want)
        want = next(wanted, None)
    return difference


def stored_ids(rows: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The ids of `rows` (id, 1 where it landed or 0 where it was rejected), ascending: as often as each landed.

    One that never landed comes once, however often it was rejected; that a reading was rejected before it landed (a
    dead letter that was sent again) does not count.
    """
    for reading_id, group in groupby(rows, key=lambda row: row[0]):
        yield from [reading_id] * max(1, sum(landed for _, landed in group))


def _ascending(ids: Iterable[int]) -> Iterator[int]:
    previous: int | None = None
    for value in ids:
        if previous is not None and value < previous:
            raise ValueError(f"The ids are not ascending: {value} came after {previous}.")
        previous = value
        yield value
