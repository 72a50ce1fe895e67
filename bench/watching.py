"""What the running stack does over a span of time: who waits for whom, and what each process costs."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import orjson
import psutil
from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from bench.processes import tree_memory_bytes, tree_processor_seconds
from clinical.topics import DOCTORS_QUEUE, VITAL_INFO
from infra.clients import kafka_config
from infra.metrics import read_state
from infra.settings import Settings
from infra.supervise import processes

LAG_SECONDS, COST_SECONDS = 2.0, 5.0
LEAST_WINDOWS = 2
POLL_SECONDS, KAFKA_SECONDS = 0.2, 30.0
STREAMS = ("vitals-producer", "land-vitals", "derive-vitals", "detect-breaches", "alert-engine", "mailer")


@dataclass(frozen=True)
class Cost:
    """Of each process with all below it, by name: processor seconds since its start; and the machine's idle seconds,
    of all its cores together. `at`: seconds of a steady clock."""

    at: float
    seconds: Mapping[str, float]
    idle_seconds: float


@dataclass
class Seen:
    """What was seen. `lags`: stream -> (seconds since the beginning, records that wait), `delays_ms`: of breaches."""

    lags: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    memory_bytes: dict[str, int] = field(default_factory=dict)
    delays_ms: list[int] = field(default_factory=list)

    def cores(self) -> dict[str, float]:
        """Cores that each process used, on average."""
        first, last = self.costs[0], self.costs[-1]
        passed = last.at - first.at
        return {name: max(used - first.seconds.get(name, 0.0), 0.0) / passed for name, used in last.seconds.items()}

    def idle_cores(self) -> float:
        """Cores that nobody used, on average."""
        first, last = self.costs[0], self.costs[-1]
        return (last.idle_seconds - first.idle_seconds) / (last.at - first.at)

    def growth(self, stream: str, window_seconds: float) -> float:
        """By how many records a second the stream's lag grew in the second half.

        Landing's goes up and down with its batches: what counts is the highest of each window of that length.
        """
        return growth(self.lags[stream], window_seconds)


def growth(lags: Sequence[tuple[float, float]], window_seconds: float) -> float:
    """The slope of the windows' maxima over the second half of `lags` (seconds, records).

    Infinite with less than two windows: whoever cannot be looked at is not taken for flat.
    """
    times, records = np.array(lags, dtype=float).reshape(-1, 2).T
    if not len(times):
        return math.inf
    half = times >= (times[0] + times[-1]) / 2
    windows = ((times[half] - times[half][0]) // window_seconds).astype(int)
    whole = range(int((times[-1] - times[half][0] + LAG_SECONDS) // window_seconds))
    highest = [float(records[half][windows == window].max()) for window in whole if np.any(windows == window)]
    if len(highest) < LEAST_WINDOWS:
        return math.inf
    return float(np.polyfit(np.arange(len(highest)) * window_seconds, highest, 1)[0])


class Watch:
    """Looks at the stack from three threads of its own within a `with` block; `seen` is complete after it.

    `others`: further processes, by name. `prefix`: breaches of patients whose id begins so are timed, from the
    insertion of the row until they can be read from `doctors-queue`.
    """

    def __init__(self, settings: Settings, others: Mapping[str, int], prefix: str) -> None:
        self._settings = settings
        self._others = others
        self._prefix = prefix
        self._stop = threading.Event()
        self._begun = time.monotonic()
        self._failures: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._run, args=(look,), daemon=True)
            for look in (self._look_at_lags, self._look_at_costs, self._time_breaches)
        ]
        self.seen = Seen(lags={stream: [] for stream in STREAMS})

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def _run(self, look: Callable[[], None]) -> None:
        try:
            look()
        except Exception as error:  # told by the thread that waits for it
            self._failures.append(error)

    def _look_at_lags(self) -> None:
        while not self._stop.wait(LAG_SECONDS):
            at = time.monotonic() - self._begun
            for stream in STREAMS:
                if state := read_state(self._settings, stream):
                    self.seen.lags[stream].append((at, state.lag))

    def _look_at_costs(self) -> None:
        self.seen.costs.append(self._cost())
        while not self._stop.wait(COST_SECONDS):
            self.seen.costs.append(self._cost())
        self.seen.costs.append(self._cost())
        self.seen.memory_bytes = {name: tree_memory_bytes(pid) for name, pid in self._pids().items()}

    def _cost(self) -> Cost:
        at, seconds = time.monotonic(), dict[str, float]()
        for name, pid in self._pids().items():
            with suppress(psutil.NoSuchProcess):
                seconds[name] = tree_processor_seconds(pid)
        return Cost(at, seconds, psutil.cpu_times().idle)

    def _pids(self) -> dict[str, int]:
        running = {name: process.pid for name, process in processes(self._settings).items() if process.pid}
        return {**running, **self._others}

    def _time_breaches(self) -> None:
        config = {"group.id": uuid.uuid4().hex, "enable.auto.commit": False, "isolation.level": "read_committed"}
        with closing(Consumer(kafka_config(self._settings, **config))) as consumer:
            numbers = consumer.list_topics(DOCTORS_QUEUE, timeout=KAFKA_SECONDS).topics[DOCTORS_QUEUE].partitions
            consumer.assign([TopicPartition(DOCTORS_QUEUE, number, OFFSET_END) for number in numbers])
            while not self._stop.is_set():
                message = consumer.poll(POLL_SECONDS)
                if message is None:
                    continue
                if message.error() is not None:
                    raise KafkaException(message.error())
                breach = orjson.loads(message.value() or b"")
                if breach["patient_id"].startswith(self._prefix) and breach["source_topic"] == VITAL_INFO:
                    self.seen.delays_ms.append(time.time_ns() // 1_000_000 - breach["inserted_at"])
