"""The benchmark of detection against the number of patients, at a tiny size, on both sides of the broadcast."""

from __future__ import annotations

import pytest

from bench import patients
from bench.figures import Size
from infra.settings import Settings

pytestmark = pytest.mark.own_world


def test_every_breach_comes_once_by_broadcast_and_by_shuffle(stack: Settings) -> None:
    points = patients.measure(Size(seed=1, tiny=True, say=print)).details["points"]
    assert [point["by_shuffle"] for point in points] == [False, True]
    assert all(point["breaches"] > 0 and point["memory_bytes"] > 2**27 for point in points)
