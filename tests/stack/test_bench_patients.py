"""The benchmark of detection against the number of patients, tiny: by shuffle, as that of detection has the rest."""

from __future__ import annotations

import pytest

from bench import patients
from bench.figures import Size
from infra.settings import Settings

pytestmark = pytest.mark.own_world


def test_every_breach_of_patients_too_many_to_broadcast_comes_once(stack: Settings) -> None:
    (point,) = patients.measure(Size(seed=1, tiny=True, say=print)).details["points"]
    assert point["by_shuffle"]
    assert point["breaches"] > 0
    assert point["memory_bytes"] > 2**27
