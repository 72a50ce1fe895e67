"""Everything running together, at one rate of readings after the other: the highest that the stack keeps up with.

It needs `./ward up`. The ward simulator writes readings of a thousand patients, with episodes, by the clock, from a
process of its own that shares the cores. A rate is kept up with when the lag of every stream is flat: over the second
half it grows by less than a fiftieth of the rate. The first rate that is not ends the ladder. After each rate all that
was written has to land, and the ids of MySQL and Hive are compared. Until the whole ladder is done, what is known of it
is kept in a file beside the report: rows may take longer to land than anybody waits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pymysql.cursors import SSCursor

from bench.curves import CURVES, Line, Panel, draw
from bench.figures import Figure, Report, Size
from bench.held import Held, held_figure
from bench.own_ward import OwnWard, own_ward
from bench.ward_writer import Load, Written, writing, written
from bench.watching import LEAST_WINDOWS, Seen, Watch
from clinical.tables import VITAL_READINGS
from clinical.topics import VITAL_INFO
from hive.client import hive_session
from hive.id_merge import compare
from hive.landed import CHECKPOINT, read_producer_position, wait_until_passed
from infra.clients import reader_connection
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings, load_settings
from infra.waiting import wait_for

LOAD = "load (the simulator)"
FLAT_SHARE = 0.02
AIM = 10_000
READ_SECONDS, LANDED_SECONDS = 1200.0, 7200.0
FETCH_ROWS = 50_000
SHOWN_PROCESSES = 6
GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """Rates in readings a second, and how long each is held.

    Lag is looked at in windows of `window_seconds`; None: of landing's interval, over which its lag goes up and down.
    """

    rates: tuple[int, ...] = (1_000, 2_000, 5_000, 10_000)
    seconds: float = 600
    patients: int = 1000
    episodes_every: float = 3
    window_seconds: float | None = None


TINY = Plan((50,), seconds=12, patients=20, episodes_every=1, window_seconds=2)


@dataclass(frozen=True)
class Step:
    """One rate: what was written and seen, and how long after the last row all of it had landed (seconds).

    `landed_after` None: it has not, or its ids have not been compared.
    """

    rate: int
    written: Written
    seen: Seen
    landed_after: float | None
    window_seconds: float

    @property
    def growths(self) -> dict[str, float]:
        """By how many records a second the lag of each stream grew, the worst first."""
        grew = {name: self.seen.growth(name, self.window_seconds) for name in self.seen.lags}
        return dict(sorted(grew.items(), key=lambda item: -item[1]))

    @property
    def is_flat(self) -> bool:
        """Whether every stream kept up, and the simulator did."""
        return max(self.growths.values()) < FLAT_SHARE * self.rate and self.held.is_held

    @property
    def held(self) -> Held:
        """The load."""
        return self.written.held(self.rate)

    def percentile(self, share: float) -> float:
        """Of the breaches' delays, ms; NaN without any."""
        return float(np.percentile(self.seen.delays_ms, share)) if self.seen.delays_ms else float("nan")

    @property
    def cores_used(self) -> float:
        """Of the machine, by everything that runs on it."""
        return (os.cpu_count() or 1) - self.seen.idle_cores()

    @property
    def cores_of_others(self) -> float:
        """Of these, by what neither belongs to the stack nor is its load: the figures are worth little beside much."""
        return max(self.cores_used - sum(self.seen.cores().values()), 0.0)


def measure(size: Size) -> Report:
    """The ladder.

    Raises WardError when a row is not in Hive exactly once, or has not landed in time, ConfigurationError when each
    rate is to be held too shortly to tell whether lag grows.
    """
    settings, plan = load_settings(), TINY if size.tiny else Plan()
    seconds, window = size.seconds or plan.seconds, plan.window_seconds or settings.spark.landing_interval_seconds
    if seconds < (least := 2 * (LEAST_WINDOWS + 1) * window):
        raise ConfigurationError(f"Held for less than {least:.0f} s, a rate does not show whether lag grows.")
    setting = {"seed": size.seed, **vars(plan), "seconds": seconds, "cores": os.cpu_count()}
    path = settings.state_dir / "bench" / f"sustained{'-tiny' if size.tiny else ''}-so-far.json"
    so_far = _SoFar(path, setting, size.say)
    size.say(f"admitting {plan.patients:,} patients …")
    with own_ward(settings, size.seed, plan.patients) as ward:
        for rate in plan.rates:
            load = Load(ward.name, size.seed, plan.patients, rate, plan.episodes_every)
            if not _step(settings, ward, load, (seconds, window), so_far).is_flat:
                break
        size.say("waiting until every alarm is over …")
    if not size.tiny:
        draw_curve(so_far.steps)
    path.unlink()
    return report(so_far.steps, setting)


class _SoFar:
    """The steps that are known, kept in a file."""

    def __init__(self, path: Path, setting: dict[str, Any], say: Callable[[str], None]) -> None:
        self._path = path
        self._setting = setting
        self.say = say
        self.steps: list[Step] = []

    def add(self, step: Step) -> None:
        """Keep a step whose load is over, and say all of its figures."""
        self._keep([*self.steps, step])
        for figure in _figures(step):
            self.say(f"  {figure.name}: {figure.value}")

    def landed(self, step: Step) -> None:
        """Keep the last step again, after its ids were compared, and say that."""
        self._keep([*self.steps[:-1], step])
        self.say(f"  {_rows_figure(step).name}: {_rows_figure(step).value}")

    def _keep(self, steps: list[Step]) -> None:
        self.steps = steps
        report(steps, self._setting).save(self._path)


def _step(settings: Settings, ward: OwnWard, load: Load, spans: tuple[float, float], so_far: _SoFar) -> Step:
    """Hold one rate for the first of these spans (seconds), and see that all of it lands. The other is of a window."""
    seconds, window = spans
    so_far.say(f"{load.rate:,} readings a second for {seconds:.0f} s …")
    since = datetime.now(UTC)
    with writing(load, settings.log_dir / "bench-sustained-writer.log") as process:
        with Watch(settings, {LOAD: process.pid}, f"{ward.name}-") as watch:
            time.sleep(seconds)  # the load is held for a span of time
        done = written(process.stop())
    ended = time.monotonic()
    ward.discharge()
    step = Step(load.rate, done, watch.seen, None, window)
    so_far.add(step)
    so_far.say("  waiting until they have landed …")
    if not wait_for(lambda: read_producer_position(settings).cursor >= done.last_id, READ_SECONDS, 1.0):
        raise WardError(f"The producer has not read up to id {done.last_id} after {READ_SECONDS:.0f} s.")
    wait_until_passed(settings, CHECKPOINT, [VITAL_INFO], "land-vitals", LANDED_SECONDS)
    landed_after = time.monotonic() - ended
    so_far.say("  comparing ids …")
    require_equal(_source_ids(settings, ward.name, done), _hive_ids(settings, ward.name, done, since))
    step = replace(step, landed_after=landed_after)
    so_far.landed(step)
    return step


def require_equal(expected: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> None:
    """Raises WardError unless both, ascending, hold the same ids, each as often."""
    if np.array_equal(expected, found):
        return
    difference = compare(expected.tolist(), found.tolist())
    raise WardError(
        f"Of {difference.expected:,} rows {difference.missing.count:,} are not in Hive, {difference.duplicates.count:,}"
        f" more than once, and {difference.unexpected.count:,} are in Hive only."
    )


def _source_ids(settings: Settings, ward: str, done: Written) -> npt.NDArray[np.int64]:
    """The ids of the ward's rows in MySQL, ascending."""
    statement = f"SELECT id FROM {settings.source.table} WHERE id BETWEEN %s AND %s AND patient_id LIKE %s ORDER BY id"
    with closing(reader_connection(settings)) as connection, connection.cursor(SSCursor) as cursor:
        cursor.execute(statement, (done.first_id, done.last_id, f"{ward}-%"))
        return np.fromiter((row[0] for row in cursor), dtype=np.int64)


def _hive_ids(settings: Settings, ward: str, done: Written, since: datetime) -> npt.NDArray[np.int64]:
    """The same in Hive."""
    statement = (
        f"SELECT reading_id FROM {VITAL_READINGS.full_name} WHERE event_date >= '{since:%Y-%m-%d}'"
        f" AND reading_id BETWEEN {done.first_id} AND {done.last_id} AND patient_id LIKE '{ward}-%'"
    )
    with hive_session(settings) as session:
        return np.sort(np.fromiter((row[0] for row in session.run(statement).rows), dtype=np.int64))


def draw_curve(steps: Sequence[Step]) -> None:
    """Latency and processor time against the rate."""
    delays = [Line(f"p{share}", [(step.rate, step.percentile(share)) for step in steps]) for share in (50, 99)]
    cores = Line("cores", [(step.rate, step.cores_used) for step in steps])
    panels = [Panel("insertion to breach, ms", delays, log=True), Panel("cores in use", [cores])]
    draw(CURVES / "rate.svg", "Everything together on one machine", "readings a second", panels)


def report(steps: Sequence[Step], setting: dict[str, Any]) -> Report:
    """A block of lines for each rate, and what they come to."""
    flat = [one.rate for one in steps if one.is_flat and one.landed_after is not None]
    highest = max(flat, default=0)
    figures = [figure for step in steps for figure in _figures(step)]
    figures += [
        Figure("highest rate with flat lag", f"{highest:,}/s", f"{AIM:,}/s", highest >= AIM),
        Figure("  what binds at the last rate", _binds(steps[-1])),
    ]
    details = {f"{step.rate}": _details(step) for step in steps}
    return Report("Everything together, at rising rates", figures, setting, details)


def _figures(step: Step) -> list[Figure]:
    worst, grew = next(iter(step.growths.items()))
    seen = step.seen
    return [
        _rows_figure(step),
        Figure(
            "  lag that grew most",
            f"{worst}, {grew:+,.0f} a second",
            f"under {FLAT_SHARE * step.rate:,.0f}, and load held",
            step.is_flat,
        ),
        held_figure("  load", [step.held]),
        Figure(
            "  breaches in doctors-queue, p50, p99",
            f"{step.percentile(50):,.0f}, {step.percentile(99):,.0f} ms, of {len(seen.delays_ms):,}",
        ),
        Figure("  cores in use, of the machine", f"{step.cores_used:.2f} of {os.cpu_count()}"),
        Figure("    of these, by what is not of the stack or its load", f"{step.cores_of_others:.2f}"),
        Figure("  memory of the stack", f"{_memory(step) / GIB:.1f} GiB"),
        *(Figure(f"    {name}", f"{cores:.2f} cores") for name, cores in _most(step)),
    ]


def _rows_figure(step: Step) -> Figure:
    rows = f"{step.written.rows:,} in {step.written.seconds:.0f} s"
    if step.landed_after is None:
        return Figure(f"{step.rate:,} readings/s: rows, not compared with Hive", rows)
    landed = f"{rows}; {step.landed_after:.0f} s after the last"
    return Figure(f"{step.rate:,} readings/s: rows, each once in Hive", landed)


def _most(step: Step) -> list[tuple[str, float]]:
    return sorted(step.seen.cores().items(), key=lambda item: -item[1])[:SHOWN_PROCESSES]


def _memory(step: Step) -> int:
    return sum(used for name, used in step.seen.memory_bytes.items() if name != LOAD)


def _binds(step: Step) -> str:
    idle = step.seen.idle_cores()
    who = ", ".join(f"{name} {cores:.2f}" for name, cores in _most(step)[:3])
    scarce = idle < 0.1 * (os.cpu_count() or 1)
    return f"{'processor time' if scarce else 'not the processor'} ({idle:.2f} cores idle): {who}"


def _details(step: Step) -> dict[str, Any]:
    shares = (50, 90, 95, 99, 99.9, 100)
    return {
        "rows": step.written.rows,
        "seconds": step.written.seconds,
        "behind_seconds": step.written.behind_seconds,
        "landed_after_seconds": step.landed_after,
        "lag_growth_per_second": step.growths,
        "lags": step.seen.lags,
        "cores": step.seen.cores(),
        "idle_cores": step.seen.idle_cores(),
        "memory_bytes": step.seen.memory_bytes,
        "breaches": len(step.seen.delays_ms),
        "breach_percentiles_ms": {str(share): step.percentile(share) for share in shares},
    }
