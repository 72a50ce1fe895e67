"""How far back the last readings that have a vital are looked for, in tables of a memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from hbase import recent_vitals
from hbase.recent_rows import Reading
from hbase.recent_vitals import DAY_MS, RecentVitals
from infra.settings import Recent, Settings

NOW = 1_790_000_000_000
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
Row = tuple[bytes, dict[bytes, bytes]]


class Table:
    """Takes and gives rows as happybase does. `read`: the contents that its scans have looked at."""

    def __init__(self) -> None:
        self.rows: dict[bytes, dict[bytes, bytes]] = {}
        self.read = 0

    def batch(self) -> Table:
        return self

    def put(self, key: bytes, cells: Mapping[bytes, bytes]) -> None:
        self.rows.setdefault(key, {}).update(cells)

    def send(self) -> None:
        """It is there already."""

    def scan(
        self, first: bytes, stop: bytes, filter: str = "", limit: int | None = None, **_columns_and_batch: Any
    ) -> Iterator[Row]:
        wanted = re.search(r"substring:(.*)'\)", filter)
        given = 0
        for key in sorted(self.rows):
            if not first <= key < stop or given == limit:
                continue
            self.read += len(self.rows[key])
            found = {name: text for name, text in self.rows[key].items() if not wanted or wanted[1].encode() in text}
            if found:
                given += 1
                yield key, found


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, Table]:
    kept = {name: Table() for name in (Recent().readings_table, Recent().minutes_table)}

    class Connection:
        def table(self, name: str) -> Table:
            return kept[name]

    @contextmanager
    def connected(_settings: Settings, _table: str | None = None) -> Iterator[Connection]:
        yield Connection()

    monkeypatch.setattr(recent_vitals, "connected", connected)
    return kept


@pytest.fixture
def store(tables: dict[str, Table]) -> Callable[..., RecentVitals]:
    """`store(days)`: one whose readings are kept for so long."""

    def made(days: int = 7) -> RecentVitals:
        return RecentVitals(Settings(recent=Recent(readings_days=days)), lambda: NOW / 1000)

    return made


def measured(number: int, ago: int, **values: float) -> Reading:
    return Reading("P1", number, NOW - ago, values)


def ids(readings: list[Reading]) -> list[int]:
    return [one.reading_id for one in readings]


def test_a_vital_is_found_as_far_back_as_its_readings_are_kept(store: Callable[..., RecentVitals]) -> None:
    ages = (5, 47 * HOUR_MS, 2 * DAY_MS - 1, 2 * DAY_MS, 2 * DAY_MS + MINUTE_MS, 5 * DAY_MS, 7 * DAY_MS - 2 * HOUR_MS)
    readings = [measured(number, ago, glucose=90.0) for number, ago in enumerate(ages)]
    store().write([*readings, *(measured(100 + hour, hour * HOUR_MS, heart_rate=70.0) for hour in range(160))])
    assert ids(store().last("P1", 20, "glucose")) == list(range(len(ages)))
    assert ids(store().last("P1", 5, "glucose")) == list(range(5))
    assert ids(store(6).last("P1", 20, "glucose")) == list(range(len(ages) - 1))
    assert ids(store(1).last("P1", 20, "glucose")) == [0, 1, 2, 3], "what was kept for longer before is not hidden"
    assert store().last("P2", 20, "glucose") == []


def test_of_one_minute_days_ago_only_as_many_as_are_wanted_are_given(store: Callable[..., RecentVitals]) -> None:
    minute = NOW - 4 * DAY_MS - (NOW - 4 * DAY_MS) % MINUTE_MS
    store().write(Reading("P1", n, minute + n * 1000, {"glucose": 90.0, "spo2": 97.0}) for n in range(120))
    assert ids(store().last("P1", 20, "glucose")) == list(range(119, 99, -1))


def test_days_ago_the_readings_that_lack_the_vital_are_not_looked_at_one_by_one(
    store: Callable[..., RecentVitals], tables: dict[str, Table]
) -> None:
    start = 3 * DAY_MS
    store().write(measured(n, start + n * 1000, heart_rate=70.0) for n in range(6000))
    store().write([measured(9999, start + HOUR_MS, glucose=90.0, heart_rate=70.0)])
    for table in tables.values():
        table.read = 0
    assert ids(store().last("P1", 1, "glucose")) == [9999]
    assert tables[Recent().readings_table].read <= 61


def test_a_value_that_is_not_believed_is_among_the_last_with_those_of_its_minute(
    store: Callable[..., RecentVitals],
) -> None:
    far = 3 * DAY_MS
    store().write(
        [
            measured(1, HOUR_MS, spo2=60.0, signal_quality=1.0),
            measured(2, far, spo2=60.0, signal_quality=1.0),
            measured(3, far + 1000, spo2=97.0, signal_quality=90.0),
            measured(4, far + HOUR_MS, spo2=60.0, signal_quality=1.0),
        ]
    )
    assert ids(store().last("P1", 20, "spo2")) == [1, 2, 3]
