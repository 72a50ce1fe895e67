"""What carrying rows costs, and who else is busy meanwhile."""

import os

import pytest

from bench.meter import KAFKA, MYSQL, Reading, cores_of_others, of_servers

FIRST = Reading(at=100.0, carrier=5.0, servers={MYSQL: 10.0, KAFKA: 20.0}, own=1.0, idle=500.0)


def test_each_server_is_charged_with_what_it_used_meanwhile() -> None:
    last = Reading(110.0, 6.0, {MYSQL: 12.5, KAFKA: 20.5}, 1.0, 510.0)
    assert of_servers(FIRST, last) == {MYSQL: 2.5, KAFKA: 0.5}


@pytest.mark.parametrize(("idle", "others"), [(10.0, 0.5), (15.0, 0.0), (16.0, 0.0)])
def test_others_have_what_is_neither_idle_nor_of_the_benchmark(
    idle: float, others: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    last = Reading(110.0, 6.0, {MYSQL: 12.0, KAFKA: 21.0}, 2.0, 500.0 + idle)
    assert cores_of_others(FIRST, last) == pytest.approx(others)
