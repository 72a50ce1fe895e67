"""The benchmarks of Hive and Sqoop at a tiny size: they work and find everything right; nothing is timed."""

from __future__ import annotations

import pytest

from bench import contacts, history, hql
from bench.figures import Report, Size
from bench.questions import QUESTIONS
from bench.scratch import is_own
from hive.client import query
from infra.clients import devices_connection, hdfs
from infra.settings import Settings

pytestmark = pytest.mark.own_world

TINY = Size(seed=1, tiny=True, say=print)


def names(report: Report) -> set[str]:
    return {figure.name.strip() for figure in report.figures}


def tables_left(stack: Settings) -> list[str]:
    """Of this process: another may measure beside it."""
    in_hive = [str(row[0]) for row in query(stack, "SHOW TABLES IN health LIKE 'bench_*'")]
    with devices_connection(stack) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES FROM health LIKE 'bench\\_%'")
        found = in_hive + [str(row[0]) for row in cursor.fetchall()]
    return [name for name in found if is_own(name)]


def directories_left(stack: Settings) -> list[str]:
    files = hdfs(stack)
    found = [*files.ls("/", detail=False), *files.ls(stack.hdfs_path("hive"), detail=False)]
    return [path for path in found if is_own(path)]


def test_hive_and_spark_answer_alike_before_and_after_compaction(stack: Settings) -> None:
    report = hql.measure(TINY)
    assert {
        f"{state}: {question}, {engine}"
        for state in (hql.LANDED, hql.COMPACTED)
        for question in QUESTIONS
        for engine in (hql.OWN, hql.PEER)
    } <= names(report)
    assert report.details["compacted"] == hql.TINY.hours_a_day
    assert tables_left(stack) == directories_left(stack) == []


def test_both_kinds_of_import_leave_in_hive_what_is_in_mysql(stack: Settings) -> None:
    report = contacts.measure(TINY)
    assert {"200 patients: seconds, incremental", "200 patients: seconds, full"} <= names(report)
    assert tables_left(stack) == directories_left(stack) == []


def test_histories_are_counted_asked_and_drawn(stack: Settings) -> None:
    report = history.measure(TINY)
    files = {(point["state"], point["days"]): point["files"] for point in report.details["points"]}
    # Beside each compacted file lie the names of the batches that it was made of.
    assert files == {("compacted", 2): 8, ("as landed", 1): 6}
    assert (stack.state_dir / "bench" / "history.svg").exists()
    assert tables_left(stack) == directories_left(stack) == []
