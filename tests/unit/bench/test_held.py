"""When a load counts as held."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from bench import traffic, ward_writer
from bench.held import Held, held_figure
from bench.ward_writer import Written


@pytest.mark.parametrize(
    ("load", "is_held"),
    [
        (Held(1_000, 60_000, 60.0, 0.1), True),
        (Held(1_000, 60_000, 61.0, 1.0), True),
        (Held(1_000, 600_000, 601.1, 1.1), False),
        (Held(1_000, 9_700, 10.0, 0.3), False),
        (Held(1_000, 0, 0.0, 0.0), False),
    ],
)
def test_it_is_held_when_it_is_on_time_at_its_end_and_nearly_all_of_it_came(load: Held, is_held: bool) -> None:
    assert load.is_held == is_held


def test_of_several_rounds_the_poorest_is_told() -> None:
    figure = held_figure("load", [Held(1_000, 60_000, 60.0, 0.1), Held(1_000, 50_000, 60.0, 10.0)])
    assert (figure.value, figure.met) == ("833/s, 10.0 s behind", False)


def test_what_the_processes_that_load_say_at_their_end_is_understood() -> None:
    load = Held(200, 2_000, 10.0, 0.0)
    assert traffic.held(f"a warning\n{json.dumps(asdict(load))}\n") == load
    done = Written(2_000, 10.0, 0.0, 1, 2_000)
    assert ward_writer.written(f"a warning\n{json.dumps(asdict(done))}\n").held(200) == load
