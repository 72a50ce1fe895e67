"""The benchmarks of the Spark jobs at a tiny size on the real servers: what they check holds, whatever they measure."""

from __future__ import annotations

import pytest

from bench import detection, landing
from bench.figures import Size
from bench.landing_job import FILE_SINK, LANDING
from bench.messages import BREACHES_EVERY
from infra.settings import Settings

pytestmark = [pytest.mark.own_world, pytest.mark.timeout(900)]
TINY = Size(seed=1, tiny=True, say=print)


def test_detection_publishes_exactly_the_breaches_of_the_readings_sent_in_either_mode(stack: Settings) -> None:
    report = detection.measure(TINY)
    (samples,) = report.details["rounds"][detection.OWN]
    assert samples[detection.IN_FORCE.name] > 0
    plan = detection.TINY
    counted = int(plan.rates[0] * plan.seconds / BREACHES_EVERY)
    assert set(report.details["breaches"].values()) == {counted}
    assert len(report.details["breaches"]) == 2


def test_landing_and_the_file_sink_show_hive_every_reading_once(stack: Settings) -> None:
    report = landing.measure(TINY)
    (own,), (peer,) = (report.details["rounds"][name] for name in (LANDING, FILE_SINK))
    assert own[landing.COMPACTED.name] == 1
    assert peer[landing.FILES.name] >= own[landing.FILES.name] >= 1
