"""Detection: how long from a reading on `vital-info` to its breach on `doctors-queue`, in real time against batches.

It needs `./ward up`. Each contender is the product's own job in a process of its own, on topics, a threshold table (the
default one), a thousand contacts and a checkpoint of its own; the streams of the stack run beside it, on the same
cores, with nothing to do. A hundredth of the readings breach. A delay runs from the moment at which a reading is handed
to the Kafka client until the broker appends its breach. By id it is checked that each breach came, once, and nothing
else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from bench.detection_run import DetectionRun, detection_run
from bench.detection_stage import stage
from bench.figures import Figure, Report, Size
from bench.held import Held, held_figure
from bench.messages import BREACHES_EVERY, PATIENTS
from bench.rounds import ROUNDS, TINY_ROUNDS, Goal, Measure, Samples, alternate, lines, ratio
from bench.scratch import apart, random_suffix
from infra.settings import Settings, load_settings

OWN, PEER = "real-time", "micro-batch"
MOST_P50_MS, MOST_P99_MS, LEAST_TIMES, MOST_FORCE_SECONDS, LEAST_EPOCHS = 10.0, 100.0, 100.0, 10.0, 3
EPOCHS_A_ROUND = 1.25
"""So long is measured at least, in epochs: the end of one falls into each round, also when it is somewhat late."""

FIRST_BREACH = Measure("edited threshold: first breach by it (a reading judged again)", "s")
IN_FORCE = Measure("edited threshold: first new reading judged by it", "s")
CAUGHT_UP = Measure("  until breaches came within a second again", "s")
MEMORY = Measure("memory", "MiB", 0)


@dataclass(frozen=True)
class Plan:
    """Readings a second, one rate after the other, and how long at each; `epoch_seconds` None: as it is set."""

    rates: tuple[int, ...] = (1_000, 10_000)
    warm_seconds: float = 20
    seconds: float = 60
    edit_before_seconds: float = 10
    edit_after_seconds: float = 35
    rounds: int = ROUNDS
    epoch_seconds: int | None = None


TINY = Plan(
    (200,), warm_seconds=2, seconds=7, edit_before_seconds=1, edit_after_seconds=20, rounds=TINY_ROUNDS, epoch_seconds=5
)


@dataclass
class Delays:
    """All delays (ms) of each contender and rate, over the rounds; its loads, also of edits; and how many epochs ended
    meanwhile."""

    of: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    loads: dict[tuple[str, int], list[Held]] = field(default_factory=dict)
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)

    def percentile(self, mode: str, rate: int, share: float) -> float:
        return float(np.percentile(self.of[mode, rate], share))


def measure(size: Size) -> Report:
    """Delays at each rate, and of an edited threshold. Raises WardError when a breach is missing or too many."""
    plan, suffix, base = TINY if size.tiny else Plan(), random_suffix(), load_settings()
    epoch = plan.epoch_seconds or base.spark.realtime_epoch_seconds
    settings, environment = apart(base, suffix, realtime_epoch_seconds=epoch)
    delays, numbers = Delays(), count(1)

    def contender(mode: str) -> Mapping[str, float]:
        with detection_run(settings, environment, suffix, mode, next(numbers)) as run:
            return _round(run, mode, plan, _measured_seconds(plan, epoch), delays, size)

    with stage(settings, suffix):
        samples = alternate({OWN: lambda: contender(OWN), PEER: lambda: contender(PEER)}, plan.rounds, size.say)
    figures = [
        *(figure for rate in plan.rates for figure in _figures_at(rate, samples, delays)),
        *_figures_of_edit(samples),
        *lines(samples, MEMORY),
    ]
    return Report(
        "Detection: vital-info to doctors-queue", figures, _setting(base, plan, epoch), _details(samples, delays)
    )


def p50_at(rate: int) -> Measure:
    """The median delay of a round."""
    return Measure(f"p50 at {rate:,}/s", "ms")


def p99_at(rate: int) -> Measure:
    """The 99th percentile of a round's delays."""
    return Measure(f"p99 at {rate:,}/s", "ms")


def cores_at(rate: int) -> Measure:
    """What the process and its JVM use."""
    return Measure(f"processor at {rate:,}/s", "cores", 2)


def _measured_seconds(plan: Plan, epoch: int) -> float:
    return max(plan.seconds, EPOCHS_A_ROUND * epoch)


def _round(run: DetectionRun, mode: str, plan: Plan, seconds: float, delays: Delays, size: Size) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for rate in plan.rates:
        size.say(f"  {mode}: {rate:,} readings/s for {plan.warm_seconds:.0f} + {seconds:.0f} s …")
        steady = run.steady(rate, plan.warm_seconds, seconds)
        delays.of.setdefault((mode, rate), []).extend(steady.delays_ms)
        delays.loads.setdefault((mode, rate), []).append(steady.held)
        delays.epochs[mode, rate] = delays.epochs.get((mode, rate), 0) + steady.epochs
        p50, p99 = np.percentile(steady.delays_ms, (50, 99))
        found |= {p50_at(rate).name: float(p50), p99_at(rate).name: float(p99), cores_at(rate).name: steady.cores}
        found[MEMORY.name] = steady.memory_bytes / 2**20
    if mode == OWN:
        size.say("  and a threshold is edited under that …")
        edited = run.edited(plan.rates[-1], plan.edit_before_seconds, plan.edit_after_seconds)
        delays.loads[mode, plan.rates[-1]].append(edited.held)
        found |= {
            FIRST_BREACH.name: edited.first_breach,
            IN_FORCE.name: edited.in_force,
            CAUGHT_UP.name: edited.caught_up,
        }
    return found


def _figures_at(rate: int, samples: Samples, delays: Delays) -> list[Figure]:
    p50, p99 = (delays.percentile(OWN, rate, share) for share in (50, 99))
    epochs, longest = delays.epochs[OWN, rate], max(delays.of[OWN, rate])
    is_goal = rate == Plan().rates[-1]
    return [
        *(held_figure(f"load of {mode} at {rate:,}/s", delays.loads[mode, rate]) for mode in (OWN, PEER)),
        *lines(samples, p50_at(rate)),
        ratio(samples, p50_at(rate), PEER, OWN, Goal(LEAST_TIMES, at_least=True)),
        *lines(samples, p99_at(rate)),
        _below(f"{OWN} at {rate:,}/s, all rounds: p50", p50, MOST_P50_MS if is_goal else None),
        _below(f"{OWN} at {rate:,}/s, all rounds: p99", p99, MOST_P99_MS if is_goal else None),
        Figure(f"  epochs that ended meanwhile, at {rate:,}/s", str(epochs), *_at_least(epochs, is_goal)),
        Figure(f"  longest, at {rate:,}/s", f"{longest:,} ms"),
        *lines(samples, cores_at(rate)),
    ]


def _below(name: str, value: float, most: float | None) -> Figure:
    return Figure(
        name, f"{value:,.0f} ms", "" if most is None else f"under {most:g} ms", None if most is None else value < most
    )


def _at_least(epochs: int, is_goal: bool) -> tuple[str, bool | None]:
    return (f"at least {LEAST_EPOCHS}", epochs >= LEAST_EPOCHS) if is_goal else ("", None)


def _figures_of_edit(samples: Samples) -> list[Figure]:
    longest = max(one[IN_FORCE.name] for one in samples[OWN])
    return [
        *lines(samples, FIRST_BREACH),
        *lines(samples, IN_FORCE),
        Figure(
            "  at the longest", f"{longest:.1f} s", f"within {MOST_FORCE_SECONDS:g} s", longest <= MOST_FORCE_SECONDS
        ),
        *lines(samples, CAUGHT_UP),
    ]


def _setting(settings: Settings, plan: Plan, epoch: int) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "rates": list(plan.rates),
        "rounds": plan.rounds,
        "warm_up_seconds": plan.warm_seconds,
        "measured_seconds": _measured_seconds(plan, epoch),
        "epoch_seconds": epoch,
        "patients": PATIENTS,
        "readings_per_breach": BREACHES_EVERY,
        "optimising_compiler": settings.spark.optimising_compiler,
        "beside": "the stack with all its streams, idle",
    }


def _details(samples: Samples, delays: Delays) -> dict[str, Any]:
    shares = (1, 10, 50, 90, 95, 98, 99, 99.9, 100)
    return {
        "rounds": samples,
        "percentiles_ms": {
            f"{mode} {rate}": {str(share): delays.percentile(mode, rate, share) for share in shares}
            for mode, rate in delays.of
        },
        "breaches": {f"{mode} {rate}": len(values) for (mode, rate), values in delays.of.items()},
    }
