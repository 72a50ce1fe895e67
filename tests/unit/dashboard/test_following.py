"""When what is shown may no longer be taken for what is so now."""

from __future__ import annotations

import pytest

from dashboard.following import SLOW, Freshness
from infra.errors import UnavailableError, WardError

AWAY = UnavailableError("HBase Thrift", "127.0.0.1:1", "refused")


def test_a_failure_holds_at_each_look_until_something_is_read() -> None:
    freshness = Freshness()
    freshness.read(0.0)
    freshness.failed(AWAY)
    for now in (1.0, 3.0):
        with pytest.raises(UnavailableError):
            freshness.require(now, 10.0)
    freshness.read(4.0)
    freshness.require(5.0, 10.0)


def test_what_is_older_than_it_may_be_is_told_though_nothing_failed() -> None:
    freshness = Freshness()
    freshness.read(5.0)
    freshness.require(15.0, 10.0)
    with pytest.raises(WardError, match=SLOW):
        freshness.require(15.1, 10.0)


def test_while_nothing_is_shown_nothing_is_old() -> None:
    Freshness().require(1e6, 10.0)
