"""When detection starts its query again: not so often that what it judges again grows for ever."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.metrics import StreamMetrics
from infra.settings import Settings
from spark_jobs.detect_breaches import UNKEPT_SECONDS, Detection

EPOCH = SimpleNamespace(batchId=7)


def detection(progress: object, thresholds: bool = False, patients: bool = False) -> Any:
    """One whose query has come to that progress since its start, and for which something fresh waits."""
    nobody = cast(Any, None)
    made: Any = Detection(Settings(), StreamMetrics("detect-breaches"), nobody, nobody)
    made._query = SimpleNamespace(lastProgress=progress)
    made._has_fresh_thresholds, made._has_fresh_patients = thresholds, patients
    made._kept_at = 1000.0
    return made


def test_nothing_fresh_starts_nothing_again() -> None:
    assert not detection(EPOCH)._is_to_restart(2000.0)


@pytest.mark.parametrize(("progress", "is_now"), [(None, False), (EPOCH, True)])
def test_fresh_contacts_wait_until_an_epoch_of_the_query_has_ended(progress: object, is_now: bool) -> None:
    assert detection(progress, patients=True)._is_to_restart(1001.0) is is_now


@pytest.mark.parametrize("patients", [False, True])
def test_fresh_thresholds_wait_for_nothing_unless_no_epoch_has_ended_for_long(patients: bool) -> None:
    waiting = detection(None, thresholds=True, patients=patients)
    assert waiting._is_to_restart(1000.0 + UNKEPT_SECONDS - 1)
    assert not waiting._is_to_restart(1000.0 + UNKEPT_SECONDS + 1)
    assert detection(EPOCH, thresholds=True)._is_to_restart(1000.0 + UNKEPT_SECONDS + 1)
