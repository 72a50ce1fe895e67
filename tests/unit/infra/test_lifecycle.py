"""The order in which everything begins, and in which it ends."""

from __future__ import annotations

from infra.lifecycle import (
    AIRFLOW_FIRST,
    ALARM_PATH,
    BOOTSTRAPS,
    SCHEDULER,
    rooms_to_bootstrap,
    start_order,
    stop_order,
)
from infra.servers import all_of, with_dependencies
from infra.settings import Hadoop, Settings


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
        "acknowledge-page",
        "ward-page",
    }
    assert sorted(name for group in order for name in group) == sorted(server.name for server in all_of(Settings()))


def test_everything_is_started_and_after_what_it_needs() -> None:
    order = [[server.name for server in group] for group in start_order(all_of(Settings()))]
    assert {name for group in order for name in group} == {server.name for server in all_of(Settings())}
    for server in all_of(Settings()):
        for needed in server.depends_on:
            assert position(order, needed) <= position(order, server.name), (server.name, needed)


def test_the_alarm_path_is_started_before_the_other_streams_and_before_airflow() -> None:
    servers, streams, airflow = start_order(all_of(Settings()))
    assert not any(server.is_stream for server in servers)
    assert [server.name for server in servers if server.name.startswith("airflow")] == [AIRFLOW_FIRST]
    assert servers[-1].name == AIRFLOW_FIRST
    assert {server.name for server in streams[: len(ALARM_PATH)]} == set(ALARM_PATH)
    assert all(server.is_stream for server in streams)
    assert {server.name for server in airflow} >= {AIRFLOW_FIRST, SCHEDULER}


def rooms_with(settings: Settings, *names: str, running: tuple[str, ...] = ()) -> list[str]:
    return rooms_to_bootstrap(settings, {*running, *(server.name for server in with_dependencies(settings, [*names]))})


def test_with_everything_every_room_makes_its_tables() -> None:
    assert rooms_to_bootstrap(Settings(), {server.name for server in all_of(Settings())}) == list(BOOTSTRAPS)


def test_a_stream_alone_has_only_those_tables_made_whose_servers_start_or_run() -> None:
    assert rooms_with(Settings(), "vitals-producer") == ["producers", "dashboard"]
    assert rooms_with(Settings(), "alert-engine") == ["producers", "alerts", "dashboard"]
    assert rooms_with(Settings(), "detect-breaches", running=("hiveserver2",)) == [
        "producers",
        "dashboard",
        "hbase",
        "hive",
        "sqoop",
    ]


def test_a_server_elsewhere_is_always_there() -> None:
    assert "hbase" in rooms_with(Settings(hadoop=Hadoop(hbase_thrift_port=9090)), "vitals-producer")
