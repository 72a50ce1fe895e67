"""When detection starts its query again: not so often that what it judges again grows for ever."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.metrics import StreamMetrics
from infra.settings import Settings
from spark_jobs.detect_breaches import Detection

BUSY = {"isTriggerActive": True, "message": "Processing new data"}
IDLE = {"isTriggerActive": False, "message": "Waiting for data to arrive"}


class Query:
    """Runs until it is stopped; `progress` None: no epoch has ended."""

    isActive = True

    def __init__(self, progress: object, status: dict[str, Any]) -> None:
        self.lastProgress = progress
        self.status = status

    def stop(self) -> None:
        """Nothing."""


class Stop:
    """Lets a loop go round once."""

    def __init__(self) -> None:
        self._rounds = 0

    def wait(self, _seconds: float) -> bool:
        self._rounds += 1
        return self._rounds > 1


class Watcher:
    """Has a fresh table or not."""

    def __init__(self, is_fresh: bool) -> None:
        self._is_fresh = is_fresh

    def poll(self) -> object:
        return "fresh" if self._is_fresh else None


def starts(
    monkeypatch: pytest.MonkeyPatch,
    thresholds: bool,
    contacts: bool,
    ended: bool,
    status: dict[str, Any],
    kept_seconds_ago: float = 1000.0,
) -> tuple[int, float]:
    """How often a query is started while one round has fresh thresholds or contacts, and how many records counted."""
    made, metrics = list[Query](), StreamMetrics("detect-breaches")
    detection: Any = Detection(Settings(), metrics, cast(Any, Watcher(thresholds)), cast(Any, None))
    detection._kept_at = time.monotonic() - kept_seconds_ago
    progress = SimpleNamespace(batchId=7, numInputRows=41) if ended else None

    def start() -> None:
        made.append(Query(progress if not made else None, status))
        detection._query = made[-1]

    fakes = {
        "_find": lambda: "location",
        "_load": lambda _: None,
        "_start": start,
        "_fresh_patients": lambda: contacts,
        "_measure": lambda: None,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(detection, name, fake)
    detection._judge(Stop())
    return len(made), metrics.registry.get_sample_value("wardwatch_records_total") or 0.0


@pytest.mark.parametrize("ended", [False, True])
def test_nothing_fresh_starts_nothing_again_and_fresh_thresholds_wait_for_nothing(
    monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    assert starts(monkeypatch, thresholds=False, contacts=False, ended=ended, status=BUSY)[0] == 1
    assert starts(monkeypatch, thresholds=True, contacts=False, ended=ended, status=BUSY)[0] == 2


def test_fresh_contacts_are_joined_at_once_when_an_epoch_ended_shortly_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, times in ((10, 2), (Settings().spark.realtime_epoch_seconds + 1, 1)):
        count, _ = starts(
            monkeypatch, thresholds=False, contacts=True, ended=False, status=BUSY, kept_seconds_ago=seconds
        )
        assert count == times


def test_else_they_wait_until_an_epoch_has_ended_or_there_is_nothing_to_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert starts(monkeypatch, thresholds=False, contacts=True, ended=False, status=BUSY)[0] == 1
    assert starts(monkeypatch, thresholds=False, contacts=True, ended=False, status=IDLE)[0] == 2
    assert starts(monkeypatch, thresholds=False, contacts=True, ended=True, status=BUSY)[0] == 2


def test_the_epoch_that_was_waited_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(monkeypatch, thresholds=False, contacts=True, ended=True, status=BUSY) == (2, 41.0)
