"""No high alarm is left out of the path's figures for want of a mail."""

from __future__ import annotations

import pytest

from bench.path import Raised, _await_told, _has_read_all, _report
from infra.errors import WardError
from infra.metrics import StreamState

DELAYS = {"b1": 1_000, "b2": 2_000}


def test_alarms_that_are_raised_or_told_late_are_waited_for_and_counted() -> None:
    looks = [{"a": True, "b": False}, {"a": True, "b": True}]
    assert _await_told(lambda: looks.pop(0), 60) == 2


def test_an_alarm_without_a_mail_is_an_error_that_names_it() -> None:
    with pytest.raises(WardError, match="Of 3 high alarms 2 have no sent mail after 0 s: b, c"):
        _await_told(lambda: {"a": True, "b": False, "c": False}, 0)


def test_no_alarm_at_all_is_no_figure() -> None:
    with pytest.raises(WardError, match="No high alarm was raised"):
        _await_told(dict, 0)


@pytest.mark.parametrize(("progress", "lag", "expected"), [(11.0, 0, True), (11.0, 3, False), (9.0, 0, False)])
def test_a_stream_has_read_all_when_it_says_so_afterwards(progress: float, lag: int, expected: bool) -> None:
    assert _has_read_all(StreamState(1.0, progress, lag, 5, 0), since=10.0) == expected
    assert not _has_read_all(None, since=10.0)


def test_mails_that_waited_for_others_are_counted_apart() -> None:
    raised = [Raised("b1", 1_100, 1_150, 1_500), Raised("b2", 2_100, 22_000, 22_100)]
    figures = {one.name: one.value for one in _report(3, raised, DELAYS, 120, 1).figures}
    assert figures["high alarms, each with a sent mail"] == "3"
    assert figures["  by a reading and told as high; at once"] == "2; 1"
    assert figures["commit to SNS, longest"] == "0.50 s"
