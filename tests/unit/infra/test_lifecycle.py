"""The order in which everything begins, and in which it ends."""

from __future__ import annotations

import importlib
from io import StringIO
from threading import Event

import pytest
from rich.console import Console

from hive.client import QueryError
from infra import lifecycle, supervise
from infra.errors import UnavailableError, WardError
from infra.lifecycle import (
    AIRFLOW_FIRST,
    ALARM_PATH,
    BOOTSTRAPS,
    SCHEDULER,
    rooms_to_bootstrap,
    start_order,
    stop_order,
)
from infra.servers import Server, all_of, with_dependencies
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


def server(name: str, *needs: str, is_stream: bool = False) -> Server:
    return Server(
        name=name, command=lambda _: [], ready=lambda _: None, ports=(), depends_on=needs, is_stream=is_stream
    )


def test_a_server_that_fails_holds_up_the_servers_that_need_it_and_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a power cut that HBase does not survive: readings are judged all the same."""
    servers = [server("hbase"), server("hbase-thrift", "hbase"), server("more", "hbase-thrift"), server("kafka")]
    streams = [server("detect-breaches", "kafka", "hbase-thrift", is_stream=True), server("mailer", is_stream=True)]
    streams.append(server("broken", "hbase", is_stream=True))
    begun, awaited, failed, console = list[str](), list[str](), dict[str, str](), Console(record=True, file=StringIO())

    def start(_settings: Settings, name: str) -> None:
        if name == "broken":
            raise WardError("broken cannot begin.")
        begun.append(name)

    def wait_ready(_settings: Settings, name: str, cancelled: Event) -> None:
        awaited.append(name)
        if name == "hbase":
            raise WardError("hbase does not stay up.")

    monkeypatch.setattr(supervise, "processes", lambda _: {})
    monkeypatch.setattr(supervise, "start", start)
    monkeypatch.setattr(supervise, "wait_ready", wait_ready)
    lifecycle._start_all(Settings(), servers, console, failed)
    lifecycle._start_all(Settings(), streams, console, failed)
    assert sorted(begun) == ["detect-breaches", "hbase", "kafka", "mailer"]
    assert sorted(awaited) == ["hbase", "kafka", "mailer"]
    assert failed == {
        "hbase": "hbase does not stay up.",
        "hbase-thrift": "hbase-thrift needs hbase.",
        "more": "more needs hbase-thrift.",
        "broken": "broken cannot begin.",
    }
    shown = console.export_text()
    assert all(why in shown for why in failed.values())


def test_a_server_that_does_not_get_ready_holds_up_the_alarm_path_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers, producer = [server("hbase"), server("hbase-thrift", "hbase")], server("vitals-producer", is_stream=True)
    broken = server("alert-engine", is_stream=True)
    hbase_begun, streams_begun, begun, failed = Event(), Event(), list[str](), dict[str, str]()
    console = Console(record=True, file=StringIO(), width=200)

    def start(_settings: Settings, name: str) -> None:
        if name == "alert-engine":
            assert hbase_begun.wait(30), "the server was not begun"
            raise WardError("alert-engine cannot begin.")
        begun.append(name)
        if name == "hbase":
            hbase_begun.set()
        if name == "vitals-producer":
            streams_begun.set()

    def wait_ready(_settings: Settings, name: str, cancelled: Event) -> None:
        assert name != "hbase" or streams_begun.wait(30), "the stream was not begun"

    monkeypatch.setattr(lifecycle, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(supervise, "processes", lambda _: {})
    monkeypatch.setattr(supervise, "start", start)
    monkeypatch.setattr(supervise, "wait_ready", wait_ready)
    lifecycle._start_all(Settings(), servers, console, failed, impatient=[broken, producer])
    assert begun == ["hbase", "vitals-producer", "hbase-thrift"]
    assert not failed
    assert "hbase, hbase-thrift. Begun without: alert-engine, vitals-producer." in console.export_text()


@pytest.mark.parametrize(
    "error",
    [UnavailableError("HiveServer2", "here", "refused"), QueryError("no HiveServer2"), RuntimeError("no HiveServer2")],
)
def test_a_room_that_cannot_make_its_tables_holds_up_no_stream(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made, failed = list[str](), dict[str, str]()

    class Room:
        def __init__(self, name: str) -> None:
            self.name = name

        def bootstrap(self, _settings: Settings) -> None:
            if self.name == "hive.bootstrap":
                raise error
            made.append(self.name)

    monkeypatch.setattr(importlib, "import_module", Room)
    lifecycle._bootstrap(Settings(), ["hive", "sqoop"], Console(file=StringIO()), failed)
    assert made == ["sqoop.bootstrap"]
    assert list(failed) == ["tables of hive"]
    assert "HiveServer2" in failed["tables of hive"]
