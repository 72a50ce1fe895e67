"""Each DAG file: cheap to parse, and with the schedule, patience and callbacks that operators rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spark_jobs.landing.streams import STREAMS

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path.name for path in (ROOT / "dags").glob("*.py") if path.name != "__init__.py")
HEAVY = {"pyspark", "boto3", "requests", "confluent_kafka", "pymysql", "happybase", "pyhive", "infra", "supervisor"}


@pytest.fixture(scope="session")
def parsed(airflow_environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What Airflow made of each file."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("parse_files.py"), *(ROOT / "dags" / name for name in FILES)],
        env=airflow_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(FILES), done.stderr
    return {answer["file"]: answer for answer in answers}


@pytest.fixture(scope="session")
def dags(parsed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {dag_id: dag for answer in parsed.values() for dag_id, dag in answer["dags"].items()}


@pytest.fixture(scope="session")
def tasks(dags: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{dag_id}.{name}": task for dag_id, dag in dags.items() for name, task in dag["tasks"].items()}


def test_the_dags_are_those_that_operators_know(dags: dict[str, dict[str, Any]]) -> None:
    assert set(dags) == {
        "streams",
        "contacts_import",
        "compact_readings",
        "audit",
        "alarms_history",
        "housekeeping",
    }


@pytest.mark.parametrize("name", FILES)
def test_a_dag_file_parses_without_an_error_in_under_a_second(parsed: dict[str, dict[str, Any]], name: str) -> None:
    assert parsed[name]["errors"] == {}
    assert parsed[name]["cpu_seconds"] < 1


@pytest.mark.parametrize("name", FILES)
def test_parsing_imports_nothing_heavy(parsed: dict[str, dict[str, Any]], name: str) -> None:
    assert HEAVY & {module.split(".")[0] for module in parsed[name]["imported"]} == set()


def test_every_dag_explains_itself_is_on_and_does_not_catch_up(dags: dict[str, dict[str, Any]]) -> None:
    for dag_id, dag in dags.items():
        assert len(dag["doc"]) > 300, dag_id
        assert dag["tags"], dag_id
        assert dag["paused"] is False, dag_id
        assert dag["catchup"] is False, dag_id


def test_every_task_has_retries_a_time_limit_an_owner_and_tells_ops(tasks: dict[str, dict[str, Any]]) -> None:
    for name, task in tasks.items():
        assert task["retries"] >= 1, name
        assert task["timeout"], name
        assert task["owner"] == "operators", name
        assert len(task["on_failure"]) == 1, name


def test_what_is_looked_at_again_and_again_mails_ops_on_change_only(tasks: dict[str, dict[str, Any]]) -> None:
    for name in ("streams.start", "streams.watch", "contacts_import.import_contacts"):
        assert tasks[name]["on_failure"] == ["tell_ops_once"], name
        assert tasks[name]["on_success"] == ["tell_ops_it_is_over"], name


def test_tasks_that_start_spark_share_the_pool_of_one(tasks: dict[str, dict[str, Any]]) -> None:
    assert (
        {name for name, task in tasks.items() if task["pool"] == "spark"}
        == {name for name, task in tasks.items() if (task["module"] or "").startswith("spark_jobs.")}
        == {"compact_readings.compact_hour"}
    )


def test_a_run_of_an_hourly_dag_is_about_one_whole_hour(dags: dict[str, dict[str, Any]]) -> None:
    for dag_id in ("compact_readings", "audit", "alarms_history"):
        assert dags[dag_id]["interval_at_10_37_30"] == ["09:00", "10:00"], dag_id


def test_streams_run_each_minute_and_imports_each_five(dags: dict[str, dict[str, Any]]) -> None:
    assert dags["streams"]["interval_at_10_37_30"] == ["10:36", "10:37"]
    assert dags["contacts_import"]["interval_at_10_37_30"] == ["10:30", "10:35"]


def test_streams_and_imports_run_one_at_a_time(dags: dict[str, dict[str, Any]]) -> None:
    assert dags["streams"]["max_active_runs"] == 1
    assert dags["contacts_import"]["max_active_runs"] == 1


def test_what_runs_hourly_gets_the_hour_of_its_run(dags: dict[str, dict[str, Any]]) -> None:
    interval = ["--from", "{{ hour_start(dag_run) }}", "--to", "{{ hour_end(dag_run) }}"]
    compaction = dags["compact_readings"]["tasks"]["compact_hour"]
    assert compaction["arguments"][-4:] == interval
    landed = {table.name for stream in STREAMS for table in stream.tables}
    assert compaction["arguments"][:-4:2] == ["--table"] * len(landed)
    assert set(compaction["arguments"][1:-4:2]) == landed
    assert compaction["after"] == ["wait_for_late_readings"]
    assert dags["audit"]["tasks"]["audit_hour"]["arguments"][:4] == interval
    assert dags["audit"]["tasks"]["audit_hour"]["after"] == ["wait_for_late_commits"]
    assert dags["audit"]["tasks"]["audit_breaches"]["arguments"][:4] == interval
    assert dags["audit"]["tasks"]["audit_breaches"]["after"] == ["audit_hour"]
    history = dags["alarms_history"]["tasks"]["write_hour"]
    assert history["arguments"] == interval
    assert history["after"] == ["wait_for_the_engine"]
