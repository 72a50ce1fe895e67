"""The benchmarks of Hive and Sqoop at a tiny size: they work and find everything right; nothing is timed."""

from __future__ import annotations

from bench import hql
from bench.figures import Report, Size
from bench.questions import QUESTIONS
from hive.client import query
from infra.clients import devices_connection, hdfs
from infra.settings import Settings

TINY = Size(seed=1, tiny=True, say=print)


def names(report: Report) -> set[str]:
    return {figure.name.strip() for figure in report.figures}


def tables_left(stack: Settings) -> list[str]:
    in_hive = [str(row[0]) for row in query(stack, "SHOW TABLES IN health LIKE 'bench_*'")]
    with devices_connection(stack) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES FROM health LIKE 'bench\\_%'")
        return in_hive + [str(row[0]) for row in cursor.fetchall()]


def directories_left(stack: Settings) -> list[str]:
    files = hdfs(stack)
    found = [*files.ls("/", detail=False), *files.ls(stack.hdfs_path("hive"), detail=False)]
    return [path for path in found if "bench" in path]


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
