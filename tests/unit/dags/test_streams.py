"""Which of the servers that are down is the cause, and what keeps a watchdog from coming through."""

from __future__ import annotations

import pytest

from dags.lib.streams import _processes, _servers, causes, is_impaired, unblocked
from dags.lib.watch import Kind, Trouble
from infra import servers, supervise
from infra.errors import WardError
from infra.settings import Settings


def test_ops_are_told_of_every_server_but_those_that_the_look_itself_needs() -> None:
    names = {server.name for server in servers.SERVERS} - {server.name for server in _servers(Settings())}
    assert names == {"postgres", "airflow-api-server", "airflow-scheduler"}


def test_a_stream_that_is_asked_for_only_since_the_last_start_is_stopped_and_the_others_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"mailer": supervise.Process("mailer", "RUNNING", 7, 1.0)}
    monkeypatch.setattr(supervise, "processes", lambda _settings: known)
    found = _processes(Settings())
    assert found["mailer"] == known["mailer"]
    assert (found["acknowledge-page"].state, found["acknowledge-page"].pid) == ("STOPPED", 0)


def test_without_a_supervisor_the_look_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "processes", lambda _settings: {})
    with pytest.raises(WardError, match=r"`\./ward up`"):
        _processes(Settings())


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        (["mariadb"], ["mariadb"]),
        (["mariadb", "metastore"], ["mariadb"]),
        (["datanode", "hbase", "hbase-thrift", "metastore", "namenode"], ["namenode"]),
        (["hiveserver2", "mariadb"], ["mariadb"]),
        (["kafka", "mariadb"], ["kafka", "mariadb"]),
        (["hiveserver2"], ["hiveserver2"]),
    ],
)
def test_a_server_that_needs_another_that_is_down_is_no_cause(down: list[str], expected: list[str]) -> None:
    assert causes(Settings(), dict.fromkeys(down, "why")) == expected


@pytest.mark.parametrize(
    ("down", "left"),
    [
        ([], ["detect-breaches", "mailer", "vitals-producer"]),
        (["hbase"], ["mailer", "vitals-producer"]),
        (["mariadb"], ["mailer"]),
        (["inbox"], ["detect-breaches", "vitals-producer"]),
        (["hiveserver2"], ["detect-breaches", "mailer", "vitals-producer"]),
    ],
)
def test_a_stream_that_needs_a_server_that_is_down_is_not_the_trouble(down: list[str], left: list[str]) -> None:
    troubles = {
        name: Trouble(name, "silent", "why", restart=True) for name in ("vitals-producer", "detect-breaches", "mailer")
    }
    assert sorted(unblocked(Settings(), troubles, dict.fromkeys(down, "why"))) == left


@pytest.mark.parametrize(
    ("down", "troubles", "impaired"),
    [
        ([], {}, False),
        (["kafka"], {}, True),
        (["sns"], {}, True),
        (["namenode"], {}, True),
        (["hiveserver2", "inbox"], {}, False),
        ([], {"alert-engine": "stopped"}, True),
        ([], {"detect-breaches": "silent"}, True),
        ([], {"detect-breaches": "behind"}, False),
        ([], {"mailer": "stopped", "vitals-producer": "silent", "land-vitals": "silent"}, False),
    ],
)
def test_the_alarm_path_is_broken_by_what_a_watchdog_passes(
    down: list[str], troubles: dict[str, Kind], impaired: bool
) -> None:
    found = {name: Trouble(name, kind, "why", restart=False) for name, kind in troubles.items()}
    assert is_impaired(Settings(), found, dict.fromkeys(down, "why")) is impaired
