"""Landing: a backlog of readings from Kafka to Parquet that Hive sees, against Spark's own Parquet file sink.

It needs `./ward up`. Both read the same topic with the same settings, each in a process of its own, into a table of its
own; the streams of the stack run beside them, on the same cores, with nothing to do. The clock runs from the plan of
the first batch until the commit of the last, both as HDFS has them: what is landed is then visible, and the start of
Spark is left out. Rows are counted by HQL, by id, after the last commit and again after compaction.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple

from bench.figures import Figure, Report, Size
from bench.landing_job import FILE_SINK, LANDING, LandingPlace
from bench.messages import Messages, values_of
from bench.programs import Program, job
from bench.rounds import ROUNDS, TINY_ROUNDS, Goal, Measure, Samples, alternate, lines, ratio
from bench.scratch import apart, own_directory, own_topics, random_suffix
from bench.traffic import own_producer
from clinical.topics import TOPICS, VITAL_INFO, Topic
from hive import ddl
from hive.client import hive_session, query
from infra.checkpoints import read_checkpoint
from infra.clients import hdfs
from infra.errors import WardError
from infra.lag import topic_ends, waiting
from infra.settings import Settings, load_settings
from infra.waiting import wait_for
from spark_jobs.landing import files as f

READINGS, TINY_READINGS = 2_000_000, 5_000
SPAN_MS = 3_600_000
"""The readings were recorded in the last full hour, which is over, so that it can be compacted."""

START_SECONDS, LANDED_SECONDS, POLL_SECONDS = 300.0, 1800.0, 0.25
QUEUED = 200_000
ROWS, CPU = Measure("rows/s", "rows/s", 0), Measure("processor time", "s")
MEMORY = Measure("memory at the end", "MiB", 0)
FILES, COMPACTED = Measure("files per hour", "files", 0), Measure("files per hour, compacted", "files", 0)
BATCHES = Measure("batches", "batches", 0)


class Rows(NamedTuple):
    """What Hive says of a table. `weighted`: the sum of each id times its heart rate."""

    rows: int
    ids: int
    first: int
    last: int
    weighted: int


def measure(size: Size) -> Report:
    """Rows a second, processor time and files of each. Raises WardError when a row is missing or there twice."""
    total, base, suffix = TINY_READINGS if size.tiny else READINGS, load_settings(), random_suffix()
    settings, environment = apart(base, suffix, landing_interval_seconds=0)
    numbers, expected = count(1), _rows(total)

    def contender(name: str) -> Mapping[str, float]:
        return _contend(settings, environment, LandingPlace(suffix, name, next(numbers)), expected)

    topic = LandingPlace(suffix, LANDING, 0).topic
    partitions = next(topic.partitions for topic in TOPICS if topic.name == VITAL_INFO)
    with own_directory(settings), own_topics(settings, [Topic(topic, partitions)]):
        size.say(f"writing a backlog of {total:,} readings …")
        _fill(settings, topic, total)
        samples = alternate(
            {LANDING: lambda: contender(LANDING), FILE_SINK: lambda: contender(FILE_SINK)},
            TINY_ROUNDS if size.tiny else ROUNDS,
            size.say,
        )
    setting = {
        "cores": os.cpu_count(),
        "readings": total,
        "hours": 1,
        "most_offsets_a_batch": settings.spark.landing_max_offsets,
        "optimising_compiler": settings.spark.optimising_compiler,
        "beside": "the stack with all its streams, idle",
    }
    return Report("Landing: a backlog to Parquet", _figures(samples), setting, {"rounds": samples})


def _figures(samples: Samples) -> list[Figure]:
    compacted = statistics.median(one[COMPACTED.name] for one in samples[LANDING])
    of_sink = statistics.median(one[FILES.name] for one in samples[FILE_SINK])
    return [
        *lines(samples, ROWS),
        ratio(samples, ROWS, LANDING, FILE_SINK, Goal(0.9, at_least=True)),
        *lines(samples, CPU),
        ratio(samples, CPU, LANDING, FILE_SINK),
        *lines(samples, MEMORY),
        *lines(samples, BATCHES),
        *lines(samples, FILES),
        ratio(samples, FILES, LANDING, FILE_SINK),
        *lines(samples, COMPACTED),
        Figure(
            f"  {LANDING}, compacted / {FILE_SINK}",
            f"{compacted / of_sink:.3f}",
            str(Goal(0.1)),
            Goal(0.1).is_met(compacted / of_sink),
        ),
    ]


def _rows(total: int) -> Rows:
    weighted = sum(number * values_of(number)["heart_rate"] for number in range(1, total + 1))
    return Rows(total, total, 1, total, weighted)


def _fill(settings: Settings, topic: str, total: int) -> None:
    """Readings 1 to `total`, evenly over the hour. Raises WardError when Kafka did not take them all."""
    producer = own_producer(
        settings,
        **{"linger.ms": 20, "queue.buffering.max.messages": QUEUED, "delivery.report.only.error": True},
    )
    begin = int(datetime.now(UTC).replace(minute=0, second=0, microsecond=0).timestamp() * 1000) - SPAN_MS
    messages = Messages()
    for number in range(1, total + 1):
        key, value = messages.of(number, begin + (number - 1) * SPAN_MS // total)
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(LANDED_SECONDS)
    if left:
        raise WardError(f"Kafka did not take {left} of {total} readings.")


def _contend(
    settings: Settings, environment: Mapping[str, str], place: LandingPlace, expected: Rows
) -> Mapping[str, float]:
    """Land the whole topic once; everything that came of it is removed again."""
    log = settings.state_dir / "bench" / f"{place.contender}.log"
    with ExitStack() as at_end:
        with hive_session(settings) as session:
            for table in (place.table, place.rejected):
                session.run(ddl.create_table(table, settings.hdfs_uri("hive", table.name)))
                at_end.callback(_drop, settings, table.full_name)
        arguments = (place.suffix, place.contender, str(place.number))
        one = at_end.enter_context(job("bench.landing_job", *arguments, environment=environment, log=log))
        cpu = _landed(settings, place, one)
        memory = one.memory_bytes()
        if place.contender == FILE_SINK:
            _show_partitions(settings, place)
        _require_all(settings, place, expected)
        seconds, batches = _timed(settings, place)
        files = _files(settings, place)
        one.stop()
        found = {ROWS.name: expected.rows / seconds, CPU.name: cpu, MEMORY.name: memory / 2**20, FILES.name: files}
        if place.contender == LANDING:
            _require_all(settings, place, expected)
            found[COMPACTED.name] = _files(settings, place)
    return found | {BATCHES.name: batches}


def _landed(settings: Settings, place: LandingPlace, one: Program) -> float:
    """Wait until everything is landed and committed; the processor time that it took, from the first batch on."""
    files, path = hdfs(settings), settings.hdfs_path(*place.checkpoint)

    def begun() -> bool:
        one.require_alive()
        return bool(files.exists(f"{path}/offsets/0"))

    if not wait_for(begun, START_SECONDS, POLL_SECONDS):
        raise WardError(f"{place.contender} has not begun its first batch after {START_SECONDS:.0f} s.")
    used = one.processor_seconds()
    with topic_ends(settings) as ends:
        extents = ends.extents([place.topic])

    def done() -> bool:
        one.require_alive()
        checkpoint = read_checkpoint(files, path)
        return checkpoint is not None and not waiting(extents, checkpoint.offsets)

    if not wait_for(done, LANDED_SECONDS, POLL_SECONDS):
        raise WardError(f"{place.contender} has not landed the backlog after {LANDED_SECONDS:.0f} s.")
    return one.processor_seconds() - used


def _timed(settings: Settings, place: LandingPlace) -> tuple[float, int]:
    """Seconds from the plan of the first batch to the commit of the last one, and how many batches there were."""
    files, path = hdfs(settings), settings.hdfs_path(*place.checkpoint)
    checkpoint = read_checkpoint(files, path)
    assert checkpoint is not None, "everything is landed"
    times = [
        files.info(f"{path}/{name}")["modificationTime"] for name in ("offsets/0", f"commits/{checkpoint.last_batch}")
    ]
    return (times[1] - times[0]) / 1000, checkpoint.last_batch + 1


def _show_partitions(settings: Settings, place: LandingPlace) -> None:
    """Tell Hive of what the file sink wrote, which it does not do itself."""
    root = settings.hdfs_path("hive", place.table.name)
    found = f.directories_below(hdfs(settings), root, len(place.table.partitions))
    partitions = [(f.parse_spec(path.removeprefix(f"{root}/")), settings.default_fs + path) for path in found]
    with hive_session(settings) as session:
        session.run(ddl.add_partitions(place.table, partitions))


def _require_all(settings: Settings, place: LandingPlace, expected: Rows) -> None:
    """Raises WardError unless Hive sees each reading once, with its value."""
    ((*found,),) = query(
        settings,
        "SELECT COUNT(*), COUNT(DISTINCT reading_id), MIN(reading_id), MAX(reading_id),"
        f" SUM(reading_id * CAST(heart_rate AS BIGINT)) FROM {place.table.full_name}",
    )
    if Rows(*found) != expected:
        raise WardError(f"{place.contender} landed {Rows(*found)}, which should be {expected}.")


def _files(settings: Settings, place: LandingPlace) -> int:
    """How many files Hive reads of the one hour that there is."""
    name = "INPUT__FILE__NAME"
    return len(query(settings, f"SELECT {name} FROM {place.table.full_name} GROUP BY {name}"))


def _drop(settings: Settings, table: str) -> None:
    with hive_session(settings) as session:
        session.run(f"DROP TABLE IF EXISTS {table}")
