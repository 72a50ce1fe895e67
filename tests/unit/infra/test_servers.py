"""The table of servers: complete, ordered, and smaller where settings point elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from infra.initialise import enterable_by_others, once
from infra.servers import SERVERS, STREAMS, all_of, find, with_dependencies
from infra.settings import Alerts, Hadoop, Kafka, Ports, Settings


def test_everything_that_is_depended_on_comes_earlier_in_the_table() -> None:
    seen: set[str] = set()
    for server in (*SERVERS, *STREAMS):
        assert seen.issuperset(server.depends_on), server.name
        seen.add(server.name)


def test_no_two_servers_have_one_port_and_every_port_is_a_setting() -> None:
    ports = [port for server in (*SERVERS, *STREAMS) for port in server.ports]
    assert len(ports) == len(set(ports))
    assert set(ports) <= set(Ports.model_fields)
    numbers = list(Ports().model_dump().values())
    assert len(numbers) == len(set(numbers))


def test_a_named_server_brings_what_it_needs_and_nothing_else() -> None:
    names = [server.name for server in with_dependencies(Settings(), ["hbase-thrift"])]
    assert names == ["namenode", "datanode", "hbase", "hbase-thrift"]


def test_an_unknown_name_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no server or stream kafak; there are mariadb, kafka,"):
        find(Settings(), "kafak")


def test_servers_that_settings_find_elsewhere_are_not_embedded() -> None:
    settings = Settings(
        kafka=Kafka(bootstrap_servers="broker:9092"),
        hadoop=Hadoop(default_fs="hdfs://cluster", metastore_uri="thrift://hive:9083", hiveserver2_port=10000),
        alerts=Alerts(sns_endpoint_url="aws"),
    )
    names = {server.name for server in all_of(settings)}
    assert names.isdisjoint({"kafka", "namenode", "datanode", "metastore", "hiveserver2", "sns", "inbox", "mailer"})
    assert "acknowledge-page" not in names
    assert {"mariadb", "postgres", "airflow-scheduler", "vitals-producer", "detect-breaches", "ward-page"} <= names


def test_tasks_of_airflow_give_way_and_its_pages_do_not() -> None:
    settings = Settings()
    first = {server.name: server.command(settings)[0] for server in all_of(settings) if "airflow" in server.name}
    assert {name for name, program in first.items() if program == "nice"} == first.keys() - {"airflow-api-server"}


def test_with_the_real_sns_the_acknowledge_page_is_served_where_its_address_is_known() -> None:
    settings = Settings(alerts=Alerts(sns_endpoint_url="aws", public_base_url="https://alarms.hospital.example/ward/"))
    assert find(settings, "acknowledge-page").page(settings) == "https://alarms.hospital.example/ward"


def test_a_first_start_step_that_failed_is_done_again_and_a_finished_one_is_not(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    done: list[str] = []

    def fail() -> None:
        done.append("failed")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        once(settings, "kafka", fail)
    once(settings, "kafka", lambda: done.append("first"))
    once(settings, "kafka", lambda: done.append("never"))
    once(settings, "kafka", lambda: done.append("new version"), content="2")
    assert done == ["failed", "first", "new version"]


def test_a_private_directory_on_the_way_is_noticed(tmp_path: Path) -> None:
    private = tmp_path / "root"
    (private / "state").mkdir(parents=True)
    private.chmod(0o700)
    assert not enterable_by_others(private / "state")
    assert not enterable_by_others(private / "state" / "not-yet")
