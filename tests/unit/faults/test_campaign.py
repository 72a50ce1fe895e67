"""Which recoveries of a campaign took too long."""

from __future__ import annotations

import pytest

from tests.faults.campaign import AND, EVERYTHING, Campaign


def campaign(fault: str, seconds: float) -> Campaign:
    recovered = {"in Hive": 1.0, "mailed": seconds}
    return Campaign("F1", 1, "", [fault], done=[{"fault": fault, "at": 0, "until": 0, "recovered": recovered}])


@pytest.mark.parametrize(("fault", "seconds"), [("mailer", 60.1), ("kafka", 120.1)])
def test_what_was_killed_alone_and_comes_back_after_its_goal_is_too_slow(fault: str, seconds: float) -> None:
    assert campaign(fault, seconds).too_slow == [(fault, seconds)]


@pytest.mark.parametrize(("fault", "seconds"), [("mailer", 60.0), ("kafka", 120.0)])
def test_what_comes_back_within_its_goal_is_not(fault: str, seconds: float) -> None:
    assert campaign(fault, seconds).too_slow == []


@pytest.mark.parametrize("fault", [AND.join(("mailer", "kafka")), EVERYTHING])
def test_what_was_killed_with_others_has_no_goal(fault: str) -> None:
    assert campaign(fault, 299.0).too_slow == []
