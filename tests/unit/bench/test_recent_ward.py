"""The ward of the benchmark of recent readings."""

from __future__ import annotations

from bench.recent_ward import GLUCOSE_EVERY, ward_until
from hbase.recent_minutes import MINUTE_MS, spreads

NOW = 1_763_838_012.5
WARD = ward_until(NOW, seed=1, patients=2, readings=150, minutes=10, least_quality=20)


def test_the_same_seed_makes_the_same_ward() -> None:
    again = ward_until(NOW, seed=1, patients=2, readings=150, minutes=10, least_quality=20)
    assert again.readings_of(1) == WARD.readings_of(1) != WARD.readings_of(0)
    assert again.minutes_of(1) == WARD.minutes_of(1)


def test_readings_end_with_a_full_minute_that_is_over() -> None:
    readings = WARD.readings_of(0)
    assert len(readings) == 150
    assert readings[-1].recorded_at == WARD.end - 1000 <= NOW * 1000
    assert WARD.end % MINUTE_MS == 0
    assert [one.values.get("glucose") is not None for one in readings] == [n % GLUCOSE_EVERY == 0 for n in range(150)]
    assert WARD.readings_of(0, start=140) == readings[140:]


def test_the_minutes_of_the_readings_are_what_these_come_to() -> None:
    minutes = WARD.minutes_of(0)
    assert list(minutes) == [WARD.end - n * MINUTE_MS for n in range(10, 0, -1)]
    of_readings = spreads(WARD.readings_of(0), (), 20)
    assert {minute: minutes[minute] for minute in of_readings} == of_readings


def test_batches_go_on_where_the_readings_end() -> None:
    first, second = (list(WARD.batch(number, patients=2, seconds=5)) for number in (0, 1))
    assert [one.recorded_at for one in first[:5]] == [WARD.end + n * 1000 for n in range(5)]
    assert second[0].recorded_at == WARD.end + 5000
    ids = [one.reading_id for one in [*WARD.readings_of(0), *WARD.readings_of(1), *first, *second]]
    assert len(set(ids)) == len(ids)
