"""The readings of the benchmarks breach what they are said to breach, by the default table, and nothing else."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from alerts.banding import NO_BREACH
from bench.alarms import default_table
from bench.messages import ABNORMAL, BREACHES_EVERY, Messages, breaches_of, encoder, row_of, values_of
from clinical.messages import READING_FIELDS
from clinical.vitals import VITALS

AT = 1_790_000_000_000
EVERY_KIND = range(BREACHES_EVERY * 2 * len(ABNORMAL))


@pytest.mark.parametrize("age", [20.0, 45.5, 91.0])
def test_exactly_the_named_attribute_of_a_reading_breaches(age: float) -> None:
    table = default_table()
    bands = {attribute: table.at_age(attribute, age) for attribute in VITALS}
    found = set()
    for number in EVERY_KIND:
        values = values_of(number)
        for attribute, band in bands.items():
            _, (place,) = band.find(np.array([float(values[attribute])]))
            if place != NO_BREACH:
                found.add((str(number), attribute))
    assert found == breaches_of(EVERY_KIND)
    assert len(found) == len(EVERY_KIND) / BREACHES_EVERY
    assert {attribute for _, attribute in found} == {name for name, _ in ABNORMAL}


@pytest.mark.parametrize("number", [1, 37, 100, 200, 399, 400, 123_456_789])
def test_a_message_is_what_the_producer_makes_of_the_row(number: int) -> None:
    message = Messages().of(number, AT)
    assert [message] == encoder().encode([row_of(number, AT)], AT)
    assert tuple(orjson.loads(message[1])) == READING_FIELDS
