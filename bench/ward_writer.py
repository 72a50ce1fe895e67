"""Readings of a benchmark's own ward, from a process of its own:

    python -m bench.ward_writer WARD SEED PATIENTS RATE EPISODES_EVERY

It writes RATE rows a second in all, by the clock, until SIGTERM, with a random episode every EPISODES_EVERY seconds on
average (0: none). Then it prints as JSON what it has written.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.held import Held
from bench.own_ward import patients_of
from bench.programs import Program, job
from infra.settings import load_settings
from producers.simulator.ward import Ward
from producers.simulator.writer import run_ward

MODULE = "bench.ward_writer"


@dataclass(frozen=True)
class Written:
    """Rows with ids from `first_id` to `last_id`, in so many seconds, at the end so far behind the clock.

    Ids in between may be of other writers.
    """

    rows: int
    seconds: float
    behind_seconds: float
    first_id: int
    last_id: int

    def held(self, rate: int) -> Held:
        """The load that this was, of so many rows a second that were to be."""
        return Held(rate, self.rows, self.seconds, self.behind_seconds)


@dataclass(frozen=True)
class Load:
    """What is to be written; `episodes_every` in seconds, 0: no episodes."""

    ward: str
    seed: int
    patients: int
    rate: int
    episodes_every: float


def write(load: Load, stop: threading.Event) -> Written:
    """Write it until `stop`. Raises UnavailableError without MySQL."""
    ward = Ward(
        load.seed, load.patients, start=datetime.now(UTC), rate=load.rate, episode_every=load.episodes_every or None
    )
    ward.patients = patients_of(load.ward, load.seed, load.patients)
    done = run_ward(load_settings(), ward, paced=True, stop=stop)
    return Written(done.rows, done.seconds, done.behind, done.first_id, done.last_id)


@contextmanager
def writing(load: Load, log: Path) -> Iterator[Program]:
    """A process that writes it; `written` reads from what it logged what it did."""
    values = map(str, asdict(load).values())
    with job(MODULE, *values, environment={}, log=log) as process:
        yield process


def written(logged: str) -> Written:
    """What the process says at its end, given all that it logged."""
    return Written(**json.loads(logged.splitlines()[-1]))


def main(ward: str, seed: str, patients: str, rate: str, episodes_every: str) -> None:
    """Command line."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    load = Load(ward, int(seed), int(patients), int(rate), float(episodes_every))
    print(json.dumps(asdict(write(load, stop))))


if __name__ == "__main__":
    main(*sys.argv[1:])
