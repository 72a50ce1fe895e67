"""What it costs to carry rows over a span of time: the carrier, its servers, and who else is busy.

A server's time is all that it did meanwhile, for the device that writes rows and for the consumer too: these are the
same for every carrier.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from bench.processes import tree_processor_seconds
from bench.programs import Program
from bench.source_database import SourceDatabase
from infra.supervise import processes

MYSQL, KAFKA = "MySQL", "Kafka"


@dataclass(frozen=True)
class Reading:
    """Processor seconds so far, of the carrier, of each server by name, and of the benchmark itself; and the machine's
    idle seconds, of all its cores together. `at`: on the clock of `time.perf_counter`."""

    at: float
    carrier: float
    servers: Mapping[str, float]
    own: float
    idle: float


class Meter:
    """Of one carrier. Kafka is among its servers where the stack runs it."""

    def __init__(self, source: SourceDatabase, carrier: Program) -> None:
        self._carrier = carrier
        kafka = processes(source.settings).get("kafka")
        self._servers = {MYSQL: source.server_pid} | ({KAFKA: kafka.pid} if kafka and kafka.pid else {})

    def read(self) -> Reading:
        """Raises WardError when the carrier has ended, psutil.NoSuchProcess when a server has."""
        return Reading(
            time.perf_counter(),
            self._carrier.processor_seconds(),
            {name: tree_processor_seconds(pid) for name, pid in self._servers.items()},
            time.process_time(),
            psutil.cpu_times().idle,
        )


def of_servers(first: Reading, last: Reading) -> dict[str, float]:
    """Processor seconds of each server between two readings."""
    return {name: used - first.servers[name] for name, used in last.servers.items()}


def cores_of_others(first: Reading, last: Reading) -> float:
    """Cores used on average between two readings by what is neither the carrier, nor a server of it, nor the benchmark:
    the figures are worth little beside much."""
    passed = last.at - first.at
    known = last.carrier - first.carrier + last.own - first.own + sum(of_servers(first, last).values())
    return max((os.cpu_count() or 1) - (last.idle - first.idle + known) / passed, 0.0)
