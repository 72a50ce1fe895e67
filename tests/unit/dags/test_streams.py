"""Which of the servers that are down is the cause."""

from __future__ import annotations

import pytest

from dags.lib.streams import causes
from infra.settings import Settings


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
