"""A table of rows that wait: how fast the producer catches up, against Debezium and against what its steps allow.

Debezium does it in two ways: it takes a snapshot of a table that it has never seen, or reads the binlog from where it
ended before the rows were written. Rows a second are counted from the first that a consumer of committed messages can
read to the last, so that the start of a program does not count; processor time over the same span, the carrier's own
and, apart, its servers'.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.arrivals import ids_on, require_each_once
from bench.carriers import PRODUCT, Carrier, create_table, peer, product, workplace
from bench.ceilings import ceilings
from bench.debezium import PART, TUNED
from bench.figures import Figure, Report, Size
from bench.meter import KAFKA, MYSQL, Meter, Reading, cores_of_others, of_servers
from bench.rounds import ROUNDS, TINY_ROUNDS, Goal, Measure, Samples, alternate, lines, ratio
from bench.scratch import own_topics, random_name
from bench.source_database import SourceDatabase, source_database
from infra.clients import devices_connection
from infra.errors import WardError
from infra.install import ensure_peer
from infra.lag import TopicEnds, topic_ends
from infra.settings import load_settings
from infra.waiting import wait_for

ROWS, TINY_ROWS = 1_000_000, 5_000
ROWS_A_COMMIT = 1000
MILLION = 1_000_000
LOOK_SECONDS, QUIET_SECONDS, STUCK_SECONDS = 0.2, 2.0, 90.0
SNAPSHOT, BINLOG, SLOWEST = "Debezium's snapshot", "Debezium from the binlog", "slowest step alone"

RATE, PROCESSOR = Measure("rows/s", "", 0), Measure("processor per million rows", "s")
SERVERS = {name: Measure(f"processor per million rows, {name}", "s") for name in (MYSQL, KAFKA)}
OTHERS = Measure("cores of others", "", 2)
RATE_GOAL, PROCESSOR_GOAL, SHARE_GOAL = Goal(1.5, at_least=True), Goal(0.33), Goal(0.6, at_least=True)

COLUMNS = (
    "id, patient_id, device_id, recorded_at, heart_rate, systolic_bp, diastolic_bp, spo2, temperature,"
    " respiratory_rate, glucose, on_oxygen, consciousness, signal_quality"
)
ROW = (
    "seq, CONCAT('P', LPAD(seq % 1000, 6, '0')), CONCAT('monitor-', seq % 1000),"
    " '2026-01-01' + INTERVAL seq * 10 * 1000 MICROSECOND, 60 + seq % 50, 100 + seq % 40, 60 + seq % 30, 92 + seq % 8,"
    " 36 + seq % 20 / 10, 12 + seq % 10, IF(seq % 50 = 0, 90 + seq % 70, NULL), seq % 10 = 0, 'A', 90 + seq % 10"
)
"""A reading made of its number alone, by the server itself."""


def measure(size: Size) -> Report:
    """Rates and processor time.

    Raises WardError when a row did not arrive exactly once, or a carrier does not get on.
    """
    settings, rows = load_settings(), TINY_ROWS if size.tiny else ROWS
    ensure_peer(settings, PART, size.say)
    with workplace(settings) as directory:
        size.say("starting a MySQL with a binlog …")
        with source_database(settings, directory) as source:
            table = create_table(source)
            size.say("Debezium takes its place in the binlog …")
            carriers: dict[str, Callable[[], Carrier]] = {
                PRODUCT: lambda: product(source, table),
                SNAPSHOT: lambda: peer(source, table, directory / random_name(), TUNED),
                BINLOG: _at_the_binlogs_end(source, table, directory),
            }
            size.say(f"writing {rows:,} rows …")
            fill(source, table, rows)
            contenders: dict[str, Callable[[], Mapping[str, float]]] = {
                name: partial(_round, source, carrier, range(2 if name == BINLOG else 1, rows + 1))
                for name, carrier in carriers.items()
            }
            steps = ceilings(source, table, rows, RATE.name)
            samples = alternate({**contenders, **steps}, TINY_ROUNDS if size.tiny else ROUNDS, size.say)
    return _report({**samples, SLOWEST: _slowest(samples, steps)}, rows)


def fill(source: SourceDatabase, table: str, rows: int) -> None:
    """Let the table hold the ids 1 to `rows`, committed a thousand at a time."""
    with devices_connection(source.settings) as connection, connection.cursor() as cursor:
        for first in range(1, rows + 1, ROWS_A_COMMIT):
            last = min(first + ROWS_A_COMMIT - 1, rows)
            cursor.execute(f"INSERT IGNORE INTO {table} ({COLUMNS}) SELECT {ROW} FROM health.seq_{first}_to_{last}")


def _at_the_binlogs_end(source: SourceDatabase, table: str, directory: Path) -> Callable[[], Carrier]:
    """Has Debezium carry the row 1 and stop; what it gives begins after that, as often as it is called."""
    prefix, state = random_name(), directory / "binlog"
    carrier = peer(source, table, state, TUNED, prefix)
    fill(source, table, 1)
    with own_topics(source.settings, carrier.topics), topic_ends(source.settings) as ends:
        with carrier.start() as program:
            _until_still(ends, carrier.topic, Meter(source, program), 1)
        require_each_once([1], ids_on(source.settings, carrier.topic, carrier.id_of))

    def again() -> Carrier:
        copy = directory / random_name()
        shutil.copytree(state, copy)
        return peer(source, table, copy, TUNED, prefix)

    return again


def _round(source: SourceDatabase, carrier_of: Callable[[], Carrier], expected: range) -> Mapping[str, float]:
    """Start a carrier, let it carry everything and stop it."""
    carrier = carrier_of()
    with ExitStack() as resources:
        resources.enter_context(own_topics(source.settings, carrier.topics))
        ends = resources.enter_context(topic_ends(source.settings))
        with carrier.start() as program:
            first, last = _until_still(ends, carrier.topic, Meter(source, program), len(expected))
        require_each_once(expected, ids_on(source.settings, carrier.topic, carrier.id_of))
    # The marks of transactions take offsets too: a share of the offsets is that share of the rows.
    carried = len(expected) * (last.end - first.end) / last.end
    seconds = last.cost.at - first.cost.at
    return {
        RATE.name: carried / seconds,
        PROCESSOR.name: MILLION * (last.cost.carrier - first.cost.carrier) / carried,
        **{SERVERS[name].name: MILLION * used / carried for name, used in of_servers(first.cost, last.cost).items()},
        OTHERS.name: cores_of_others(first.cost, last.cost),
    }


@dataclass(frozen=True)
class _Look:
    """How many offsets the topic has, when, and what carrying them had cost by then."""

    end: int
    cost: Reading


def _until_still(ends: TopicEnds, topic: str, meter: Meter, rows: int) -> tuple[_Look, _Look]:
    """The last look at which the topic was empty, and the first at which it held all it ever will.

    Raises WardError when no row comes for STUCK_SECONDS, be it the first.
    """
    looks: list[_Look] = []
    begun = time.perf_counter()

    def still() -> bool:
        end = sum(extent.end for extent in ends.extents([topic])[topic].values())
        now = _Look(end, meter.read())
        if end == 0:
            looks[:] = [now]
        elif not looks or end > looks[-1].end:
            looks.append(now)
        if now.cost.at - (looks[-1].cost.at if end else begun) > STUCK_SECONDS:
            raise WardError(f"Of {rows} rows {end} have arrived, and none for {STUCK_SECONDS:.0f} s.")
        return end >= rows and now.cost.at - looks[-1].cost.at > QUIET_SECONDS

    wait_for(still, float("inf"), LOOK_SECONDS)
    return looks[0], looks[-1]


def _slowest(samples: Samples, steps: Mapping[str, object]) -> list[Mapping[str, float]]:
    """Of each round, the slowest of the steps alone."""
    return [
        {RATE.name: min(one[RATE.name] for one in of_round)}
        for of_round in zip(*(samples[step] for step in steps), strict=True)
    ]


def _report(samples: Samples, rows: int) -> Report:
    peers = SNAPSHOT, BINLOG
    figures: list[Figure] = [
        *lines(samples, RATE),
        *(ratio(samples, RATE, PRODUCT, name, RATE_GOAL) for name in peers),
        ratio(samples, RATE, PRODUCT, SLOWEST, SHARE_GOAL),
        *lines(samples, PROCESSOR),
        *(ratio(samples, PROCESSOR, PRODUCT, name, PROCESSOR_GOAL) for name in peers),
        *(figure for shown in (*SERVERS.values(), OTHERS) for figure in lines(samples, shown)),
    ]
    setting = {"rows": rows, "rounds": len(samples[PRODUCT])}
    return Report("Ingest backlog: rows that wait in MySQL", figures, setting, {"samples": dict(samples)})
