"""From the commit of a row in MySQL until a consumer of committed messages can read it, at 50 single rows a second.

Each row is written at a random time of its 20 ms, the same for every contender: rows by the beat would keep step with
polls that begin anew after each transaction. The product's producer and Debezium take turns on a server and a broker
that are the same for both. Each starts anew, on a table and topics of its own, and carries rows for a while before it
is measured. A row's time begins when its commit returns to the device. Processor time and memory are those of the
carrier alone; that of the servers over the same time is shown beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.arrivals import Arrivals, arrivals, ids_on, require_each_once
from bench.carriers import PRODUCT, Carrier, create_table, peer, product, workplace
from bench.debezium import DEFAULTS, PART, TUNED, TUNED_FOR_SINGLE_ROWS, Tuning
from bench.figures import Figure, Report, Size
from bench.meter import KAFKA, MYSQL, Meter, cores_of_others, of_servers
from bench.programs import Program
from bench.rounds import ROUNDS, TINY_ROUNDS, Goal, Measure, Samples, alternate, lines, ratio
from bench.scratch import own_topics, random_name
from bench.source_database import SourceDatabase, source_database
from infra.clients import devices_connection
from infra.errors import WardError
from infra.install import ensure_peer
from infra.settings import load_settings
from infra.waiting import wait_for

RATE, PATIENTS = 50, 60
WARM_SECONDS, SECONDS = 60, 30
TINY_WARM_SECONDS, TINY_SECONDS = 1, 2
"""A JVM compiles and grows for a while: before the end of that it costs more than it will."""

START_SECONDS, LATE_SECONDS = 90.0, 30.0
MIB = 2**20
DEBEZIUM, DEBEZIUM_TUNED, DEBEZIUM_EAGER = "Debezium", "Debezium, tuned", "Debezium, tuned, no linger"

P50, P99 = Measure("p50", "ms"), Measure("p99", "ms")
PROCESSOR, MEMORY = Measure("processor", "% of a core"), Measure("memory", "MiB", 0)
SERVERS = {name: Measure(f"processor, {name}", "% of a core") for name in (MYSQL, KAFKA)}
OTHERS = Measure("cores of others", "", 2)
GOALS = {P50: Goal(1.0), P99: Goal(1.0), PROCESSOR: Goal(0.33), MEMORY: Goal(0.1)}
"""Against Debezium tuned as anybody would: polls often, compresses, sends larger batches. Beside it stands one whose
Kafka producer, besides, does not wait for more rows to send with one, which helps lone rows and costs a backlog."""


def measure(size: Size) -> Report:
    """Latency and cost of each carrier. A tiny one has one of Debezium's three.

    Raises WardError when a row did not arrive exactly once, or a carrier does not start.
    """
    settings = load_settings()
    ensure_peer(settings, PART, size.say)
    seconds = (TINY_WARM_SECONDS, TINY_SECONDS) if size.tiny else (WARM_SECONDS, SECONDS)
    tunings = {DEBEZIUM_TUNED: TUNED}
    if not size.tiny:
        tunings |= {DEBEZIUM_EAGER: TUNED_FOR_SINGLE_ROWS, DEBEZIUM: DEFAULTS}
    with workplace(settings) as directory:
        size.say("starting a MySQL with a binlog …")
        with source_database(settings, directory) as source:
            contenders = {PRODUCT: partial(_round, source, partial(product, source), size.seed, *seconds)} | {
                name: partial(_round, source, partial(_peer, source, directory, tuning), size.seed, *seconds)
                for name, tuning in tunings.items()
            }
            samples = alternate(contenders, TINY_ROUNDS if size.tiny else ROUNDS, size.say)
    return _report(samples, {"seed": size.seed, "warm_seconds": seconds[0], "seconds": seconds[1]})


def _peer(source: SourceDatabase, directory: Path, tuning: Tuning, table: str) -> Carrier:
    return peer(source, table, directory / random_name(), tuning)


def _round(
    source: SourceDatabase, carrier_of: Callable[[str], Carrier], seed: int, warm: int, seconds: int
) -> Mapping[str, float]:
    """One carrier, from its start to its end, on a new table."""
    table = create_table(source)
    carrier = carrier_of(table)
    with own_topics(source.settings, carrier.topics), _device(source, table, seed) as device:
        with (
            arrivals(source.settings, carrier.topic, carrier.id_of) as arrived,
            carrier.start() as program,
        ):
            _await_first(device, arrived, program)
            device.write(warm * RATE)
            found = _measured(device, arrived, program, Meter(source, program), seconds)
        # It has stopped: nothing more can come.
        require_each_once(device.committed, ids_on(source.settings, carrier.topic, carrier.id_of))
    return found


def _measured(device: _Device, arrived: Arrivals, program: Program, meter: Meter, seconds: int) -> dict[str, float]:
    first = meter.read()
    ids = device.write(seconds * RATE)
    last = meter.read()
    passed = last.at - first.at
    memory = program.memory_bytes()
    if not wait_for(lambda: arrived.at.keys() >= set(ids), LATE_SECONDS, 0.1):
        raise WardError(f"{len(set(ids) - arrived.at.keys())} rows have not arrived after {LATE_SECONDS:.0f} s.")
    p50, p99 = np.percentile([1000 * (arrived.at[one] - device.committed[one]) for one in ids], (50, 99))
    return {
        P50.name: float(p50),
        P99.name: float(p99),
        PROCESSOR.name: 100 * (last.carrier - first.carrier) / passed,
        MEMORY.name: memory / MIB,
        **{SERVERS[name].name: 100 * used / passed for name, used in of_servers(first, last).items()},
        OTHERS.name: cores_of_others(first, last),
    }


def _await_first(device: _Device, arrived: Arrivals, program: Program) -> None:
    """Write rows until one arrives: the carrier has begun then."""

    def begun() -> bool:
        program.require_alive()
        device.write(1)
        return bool(arrived.at)

    if not wait_for(begun, START_SECONDS, 0.2):
        raise WardError(f"No row has arrived {START_SECONDS:.0f} s after the start.")


class _Device:
    """Inserts rows one by one; `committed`: id -> when its commit returned, on the clock of `time.perf_counter`."""

    def __init__(self, cursor: Any, table: str, seed: int) -> None:
        self._cursor = cursor
        self._seed = seed
        self._statement = (
            f"INSERT INTO {table} (patient_id, device_id, recorded_at, heart_rate, systolic_bp, diastolic_bp, spo2,"
            " temperature, respiratory_rate, on_oxygen, consciousness)"
            " VALUES (%s, 'monitor', UTC_TIMESTAMP(3), %s, 120, 80, 97, 36.8, 14, 0, 'A')"
        )
        self.committed: dict[int, float] = {}

    def write(self, rows: int) -> list[int]:
        """Commit so many rows, RATE a second; their ids."""
        begun = time.perf_counter()
        return [self._insert(begun + due) for due in due_seconds(rows, self._seed)]

    def _insert(self, due: float) -> int:
        time.sleep(max(0.0, due - time.perf_counter()))
        number = len(self.committed)
        self._cursor.execute(self._statement, (f"P{number % PATIENTS:04}", 60 + number % 40))
        identity = int(self._cursor.lastrowid)
        self.committed[identity] = time.perf_counter()
        return identity


def due_seconds(rows: int, seed: int) -> list[float]:
    """When each row is due, in seconds from the beginning: at a random time of its own interval of 1 / RATE."""
    random = np.random.default_rng(seed)
    due: list[float] = ((np.arange(rows) + random.uniform(size=rows)) / RATE).tolist()
    return due


@contextmanager
def _device(source: SourceDatabase, table: str, seed: int) -> Iterator[_Device]:
    with devices_connection(source.settings) as connection, connection.cursor() as cursor:
        yield _Device(cursor, table, seed)


def _report(samples: Samples, setting: Mapping[str, int]) -> Report:
    figures: list[Figure] = []
    for wanted, goal in GOALS.items():
        figures += [*lines(samples, wanted), ratio(samples, wanted, PRODUCT, DEBEZIUM_TUNED, goal)]
        if DEBEZIUM_EAGER in samples:
            figures.append(ratio(samples, wanted, PRODUCT, DEBEZIUM_EAGER))
    figures += [figure for shown in (*SERVERS.values(), OTHERS) for figure in lines(samples, shown)]
    setting = {"rows_per_second": RATE, **setting, "rounds": len(samples[PRODUCT])}
    return Report("Ingest latency: commit in MySQL to readable in Kafka", figures, setting, {"samples": dict(samples)})
