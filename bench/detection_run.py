"""One detection process of a benchmark: started, given readings at a rate, judged by what it publishes, and stopped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.breach_log import BreachLog, Seen, breach_log, require_exactly
from bench.detection_job import place_of
from bench.detection_stage import edit_message
from bench.held import Held
from bench.messages import BREACHES_EVERY, Messages, breaches_of
from bench.programs import Program, job
from bench.scratch import APPEND_TIME, own_topics
from bench.traffic import held, own_producer
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, TOPICS, VITAL_INFO, Topic
from infra.checkpoints import commit_times
from infra.clients import hdfs
from infra.errors import WardError
from infra.settings import Settings
from spark_jobs.detection.place import Place

START_SECONDS, SETTLED_SECONDS, TRAFFIC_SECONDS = 300.0, 180.0, 120.0
BEHIND_MS = 1000
EDITED_ATTRIBUTE = "heart_rate"


@dataclass(frozen=True)
class Steady:
    """What a steady rate gave. `delays_ms`: of each breach after the warm-up; `epochs`: ended between the first and the
    last of their readings, of the newest hundred or so; `cores`: that the process and its JVM used; `held`: the load.
    """

    held: Held
    delays_ms: list[int]
    epochs: int
    cores: float
    memory_bytes: int


@dataclass(frozen=True)
class Edited:
    """Seconds from an edit of a threshold until the first breach by it, which may be of a reading that is judged again,
    until the first of a reading sent since, and until breaches no longer came late; and the load meanwhile."""

    held: Held
    first_breach: float
    in_force: float
    caught_up: float


class DetectionRun:
    """A detection that has judged its first reading."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        place: Place,
        logs: Path,
        detection: Program,
        log: BreachLog,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._place = place
        self._logs = logs
        self._detection = detection
        self._log = log
        self._next = BREACHES_EVERY

    def begin(self) -> None:
        """Send one reading and wait for its breach. Raises WardError when detection does not start."""
        producer = own_producer(self._settings)
        key, value = Messages().of(self._next, time.time_ns() // 1_000_000)
        producer.produce(self._place.readings, value, key)
        producer.flush(START_SECONDS)
        self._next += BREACHES_EVERY
        self._log.wait(self._has_begun, START_SECONDS, "the breach of its first reading")

    def _has_begun(self) -> bool:
        self._detection.require_alive()
        return bool(self._log.seen)

    def steady(self, rate: int, warm_seconds: float, seconds: float) -> Steady:
        """Readings at this rate, of which the first `warm_seconds` do not count. Raises WardError on a wrong breach."""
        numbers, before = self._take(rate, warm_seconds + seconds), len(self._log.seen)
        with self._traffic(rate, numbers) as traffic:
            time.sleep(warm_seconds)  # what is compiled and filled at the beginning is not what is measured
            begun, used = time.monotonic(), self._detection.processor_seconds()
            load = held(traffic.finish(seconds + TRAFFIC_SECONDS))
            cores = (self._detection.processor_seconds() - used) / (time.monotonic() - begun)
        seen = self._settled(before, numbers, repeats_allowed=False)
        counted = [one for one in seen if int(one.source_id) >= numbers.start + rate * warm_seconds]
        delays, epochs = [one.delay_ms for one in counted], epochs_within(counted, self._commit_times())
        return Steady(load, delays, epochs, cores, self._detection.memory_bytes())

    def edited(self, rate: int, before_seconds: float, after_seconds: float) -> Edited:
        """A threshold's message edited under this rate. What is judged again by the restart is published again."""
        row = next(one.threshold_row for one in self._log.seen if one.attribute == EDITED_ATTRIBUTE)
        message = f"Edited {uuid.uuid4().hex}"
        numbers, before = self._take(rate, before_seconds + after_seconds), len(self._log.seen)
        with self._traffic(rate, numbers) as traffic:
            time.sleep(before_seconds)  # the edit comes when all is under way
            at = time.time_ns() // 1_000_000
            edit_message(self._settings, row, message)
            load = held(traffic.finish(after_seconds + TRAFFIC_SECONDS))
        seen = self._settled(before, numbers, repeats_allowed=True)
        by_edit = [one for one in self._log.seen[before:] if one.alert_message == message]
        anew = [one.appended_at for one in by_edit if one.inserted_at >= at]
        if not anew:
            raise WardError(f"An edited threshold was not in force {after_seconds:.0f} s after the edit.")
        first = min(one.appended_at for one in by_edit)
        return Edited(load, (first - at) / 1000, (min(anew) - at) / 1000, (_caught_up(seen, at) - at) / 1000)

    def _take(self, rate: int, seconds: float) -> range:
        """Numbers of so many readings that were not used yet, beginning with a breaching one."""
        numbers = range(self._next, self._next + round(rate * seconds))
        self._next = -(-numbers.stop // BREACHES_EVERY) * BREACHES_EVERY
        return numbers

    def _traffic(self, rate: int, numbers: range) -> AbstractContextManager[Program]:
        arguments = (self._place.readings, str(rate), str(numbers.start), str(numbers.stop))
        return job("bench.traffic", *arguments, environment=self._environment, log=self._logs / "traffic.log")

    def _settled(self, before: int, numbers: range, repeats_allowed: bool) -> list[Seen]:
        """What came since, once it is everything that these readings breach. Raises WardError when it is not that.

        With `repeats_allowed` what earlier readings breach is left out: a restart judges them again, too.
        """
        expected = breaches_of(numbers)

        def all_came() -> bool:
            self._detection.require_alive()
            return expected <= {one.key for one in self._log.seen[before:]}

        self._log.wait(all_came, SETTLED_SECONDS, f"all of {len(expected)} breaches")
        self._log.read()
        seen = [one for one in self._log.seen[before:] if not repeats_allowed or int(one.source_id) in numbers]
        require_exactly(seen, expected, repeats_allowed)
        return seen

    def _commit_times(self) -> list[int]:
        return commit_times(hdfs(self._settings), self._settings.hdfs_path("checkpoints", self._place.checkpoint))


@contextmanager
def detection_run(
    settings: Settings, environment: Mapping[str, str], suffix: str, mode: str, number: int
) -> Iterator[DetectionRun]:
    """A detection in this mode, the `number`th of the benchmark, on topics of its own, from its first breach until the
    end of the block."""
    place, logs = place_of(suffix, mode, number), settings.state_dir / "bench"
    partitions = {topic.name: topic.partitions for topic in TOPICS}
    topics = (
        Topic(place.readings, partitions[VITAL_INFO]),
        Topic(place.derived, partitions[DERIVED_VITALS]),
        Topic(place.breaches, partitions[DOCTORS_QUEUE]),
    )
    with (
        own_topics(settings, topics, APPEND_TIME),
        job(
            "bench.detection_job",
            suffix,
            mode,
            str(number),
            environment=environment,
            log=logs / f"detection-{mode}.log",
        ) as detection,
        breach_log(settings, place.breaches) as log,
    ):
        run = DetectionRun(settings, environment, place, logs, detection, log)
        run.begin()
        yield run
        detection.stop()


def epochs_within(counted: list[Seen], commits: list[int]) -> int:
    """How many of the epochs, committed then (epoch ms), ended between the first and the last of these readings."""
    sent = [one.inserted_at for one in counted]
    return sum(min(sent) <= at <= max(sent) for at in commits)


def _caught_up(seen: list[Seen], edited_at: int) -> int:
    """When the last breach came late, after an edit; repeats left out (epoch ms)."""
    first: dict[tuple[str, str], Seen] = {}
    for one in sorted(seen, key=lambda one: one.appended_at):
        first.setdefault(one.key, one)
    late = (one.appended_at for one in first.values() if one.delay_ms > BEHIND_MS and one.appended_at > edited_at)
    return max(late, default=edited_at)
