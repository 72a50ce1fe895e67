"""The order in which everything ends."""

from __future__ import annotations

from infra.lifecycle import stop_order
from infra.servers import all_of
from infra.settings import Settings


def position(order: list[list[str]], name: str) -> int:
    return next(index for index, group in enumerate(order) if name in group)


def test_nothing_is_stopped_before_what_needs_it() -> None:
    order = [[server.name for server in group] for group in stop_order(all_of(Settings()))]
    for server in all_of(Settings()):
        for needed in server.depends_on:
            if server.name != "airflow-scheduler":
                assert position(order, server.name) < position(order, needed), (server.name, needed)


def test_the_scheduler_ends_before_the_streams_that_it_would_start_again() -> None:
    order = [[server.name for server in group] for group in stop_order(all_of(Settings()))]
    assert order[0] == ["airflow-scheduler"]
    assert set(order[1]) == {
        "vitals-producer",
        "land-vitals",
        "detect-breaches",
        "derive-vitals",
        "alert-engine",
        "mailer",
    }
    assert sorted(name for group in order for name in group) == sorted(server.name for server in all_of(Settings()))
