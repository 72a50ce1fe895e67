"""`./ward demo`, from nothing running to the first doctor's email, by what it prints."""

from __future__ import annotations

import re
import subprocess

import pytest

Demo = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def printed(demo: Demo) -> str:
    assert demo.returncode == 0, demo.stdout
    return demo.stdout


def test_the_demo_shows_the_email_about_a_slow_heart_with_name_phone_address_and_ward(printed: str) -> None:
    assert "The doctor has an email:" in printed
    assert re.search(r"(HIGH|MEDIUM): Heart rate \d+ /min is below its normal range", printed)
    for line in ("Patient:", "Phone:", "Address:", "Ward:", "Value:", "Normal:", "Recorded:"):
        assert line in printed
    assert "not imported yet" not in printed


def test_the_demo_follows_the_reading_through_every_system(printed: str) -> None:
    trace = printed[printed.index("The way of reading") :]
    for system in ("MySQL", "Kafka", "Hive on HDFS", "detection", "HBase", "alerts", "SNS", "inbox"):
        assert system in trace


def test_the_demo_answers_an_hql_query_and_names_every_page(printed: str) -> None:
    assert re.search(r"FROM health\.vital_readings", printed)
    for page in ("airflow-api-server", "inbox", "namenode", "hbase", "hiveserver2"):
        assert page in printed


def test_the_demo_ends_with_everything_up(printed: str) -> None:
    assert "Not up:" not in printed
    assert "./ward down" in printed
