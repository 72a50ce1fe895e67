"""Hours without a run of an hourly DAG, and what is asked of Airflow for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from infra.airflow_api import AirflowApi
from infra.missed_hours import HOUR, PAGE, make_up, missed

NOW = datetime(2026, 1, 31, 14, 20, tzinfo=UTC)


def hours(*numbers: int) -> list[datetime]:
    return [NOW.replace(hour=number, minute=0) for number in numbers]


def test_hours_without_a_run_are_missed_but_for_the_newest_which_may_still_get_theirs() -> None:
    assert missed(hours(8, 9, 11), hours(8)[0], NOW) == hours(10, 12)


def test_an_hour_that_had_begun_before_is_not_looked_at() -> None:
    assert missed([], hours(10)[0] + timedelta(minutes=20), NOW) == hours(11, 12)


class Airflow:
    """One DAG that Airflow ran by itself at the `scheduled` hours, and others at those `by_hand`."""

    def __init__(self, scheduled: list[datetime], by_hand: list[datetime], is_paused: bool = False) -> None:
        self._scheduled = scheduled
        self._all = sorted(scheduled + by_hand)
        self._is_paused = is_paused
        self.backfills: list[tuple[datetime, datetime, str]] = []

    def dag(self, _dag_id: str) -> dict[str, Any]:
        return {"is_paused": self._is_paused}

    def runs(self, _dag_id: str, *, order_by: str, limit: int, **filters: Any) -> list[dict[str, Any]]:
        assert order_by == "logical_date"
        found = self._scheduled if filters.get("run_type") == "scheduled" else self._all
        since = datetime.fromisoformat(filters.get("logical_date_gte", "0001-01-01T00:00:00+00:00"))
        found = sorted(run for run in found if run >= since)
        offset = filters.get("offset", 0)
        return [{"logical_date": run.isoformat()} for run in found[offset : offset + limit]]

    def create_backfill(
        self, _dag_id: str, first: datetime, last: datetime, reprocess: str, max_active_runs: int
    ) -> int:
        assert max_active_runs == 1
        self.backfills.append((first, last, reprocess))
        return 1


def made_up(airflow: Airflow) -> list[datetime]:
    return make_up(cast(AirflowApi, airflow), "audit", NOW)


def test_missed_hours_are_one_backfill_that_runs_nothing_again() -> None:
    airflow = Airflow(scheduled=hours(5, 8, 12), by_hand=hours(9))
    assert made_up(airflow) == hours(6, 7, 10, 11)
    assert airflow.backfills == [(*hours(6), *hours(11), "none")]


def test_what_people_ran_of_the_time_before_airflow_ran_anything_makes_nothing_missed() -> None:
    assert made_up(Airflow(scheduled=hours(11, 12), by_hand=hours(3))) == []


def test_of_a_week_and_no_longer_all_hours_are_looked_at() -> None:
    newest = NOW.replace(hour=12, minute=0)
    ran = [newest - HOUR * number for number in range(30 * 24) if number not in (2, PAGE + 30, 8 * 24)]
    assert made_up(Airflow(ran, [])) == [newest - HOUR * (PAGE + 30), newest - HOUR * 2]


@pytest.mark.parametrize("scheduled", [[], hours(5, 12)])
def test_a_dag_that_is_paused_or_never_ran_is_left_alone(scheduled: list[datetime]) -> None:
    airflow = Airflow(scheduled, hours(8), is_paused=bool(scheduled))
    assert made_up(airflow) == []
    assert airflow.backfills == []
