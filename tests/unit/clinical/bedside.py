"""A bedside for the tests of the alarm lifecycle: bands of a few vitals on their low side, and who reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clinical.lifecycle import due_at, step
from clinical.lifecycle_events import Breached, Event, Kind, Measured, Tick, Transition
from clinical.lifecycle_state import State
from clinical.messages import Severity

START = 1_700_000_000_000
SECOND = 1000

Said = tuple[str, float, Severity | None]
"""Kind, seconds of event time after START, severity."""


def ms(seconds: float) -> int:
    return START + round(seconds * SECOND)


def said(log: Iterable[Transition]) -> list[Said]:
    return [(entry.kind.value, (entry.event_at - START) / SECOND, entry.severity) for entry in log]


@dataclass(frozen=True)
class Bands:
    """`bands`: (highest value, severity, delay in seconds), deepest first; `limit` is the normal band's."""

    attribute: str
    limit: float
    margin: float
    interval: int
    bands: tuple[tuple[float, Severity, int], ...]

    def band_of(self, value: float) -> tuple[Severity, int] | None:
        return next(((severity, delay) for highest, severity, delay in self.bands if value <= highest), None)

    def breach(self, value: float, seconds: float, source_id: str) -> Breached:
        """Of a value that is out of range."""
        severity, delay = self.band_of(value) or ("low", 60)
        return Breached(
            attribute=self.attribute,
            direction="low",
            value=value,
            severity=severity,
            delay_seconds=delay,
            limit=self.limit,
            clear_margin=self.margin,
            interval_seconds=self.interval,
            recorded_at=ms(seconds),
            source_id=source_id,
        )


SPO2 = Bands("spo2", 96, 1, 1, ((91, "high", 0), (93, "medium", 15), (95, "low", 60)))
HEART_RATE = Bands("heart_rate", 51, 3, 1, ((40, "high", 0), (50, "low", 60)))
TEMPERATURE = Bands("temperature", 36.1, 0.2, 60, ((35.0, "high", 0), (36.0, "low", 60)))
GLUCOSE = Bands("glucose", 70, 5, 300, ((53.9, "high", 0), (69.9, "medium", 15)))


class Bedside:
    """Sends readings as the engine does; times in seconds after START. A reading is known by its time of recording.

    `halves`: how a reading out of range comes: as value (v) and breach (b), in that order. `raised`: begins with an
    alarm of high severity, long before second 90.
    """

    def __init__(self, bands: Bands, halves: str = "vb", raised: bool = False) -> None:
        self.bands = bands
        self.halves = halves
        self.state: State | None = None
        self.log: list[Transition] = []
        if raised:
            deepest = bands.bands[0][0]
            self.reads(0, deepest)
            self.reads(bands.interval, deepest)
            assert self.alarm().severity == "high"

    def alarm(self) -> State:
        assert self.state is not None
        return self.state

    def sends(self, event: Event, clock: float) -> list[Transition]:
        outcome = step(self.state, event, ms(clock))
        self.state = outcome.state
        self.log += outcome.transitions
        return list(outcome.transitions)

    def reads(self, seconds: float, value: float, clock: float | None = None, partial: bool = False) -> None:
        now = seconds if clock is None else clock
        source_id = f"r{seconds:g}"
        measured = Measured(value, ms(seconds), source_id, partial)
        if self.bands.band_of(value) is None:
            self.sends(measured, now)
            return
        for half in self.halves:
            self.sends(measured if half == "v" else self.bands.breach(value, seconds, source_id), now)

    def reads_each_second(
        self,
        seconds: range,
        value: float,
        except_at: Mapping[int, float] | None = None,
        clock: float | None = None,
        partial: bool = False,
    ) -> None:
        for second in seconds:
            self.reads(second, (except_at or {}).get(second, value), clock, partial)

    def values_only_each_second(self, seconds: range, value: float) -> None:
        for second in seconds:
            self.sends(Measured(value, ms(second), f"r{second}"), second)

    def tick(self, clock: float) -> list[Transition]:
        return self.sends(Tick(), clock)

    def ticks_when_due(self, clock: float) -> None:
        """Every tick that is due up to and with that time."""
        while (due := self.due()) is not None and due <= clock:
            self.tick(due)

    def due(self) -> float | None:
        due = None if self.state is None else due_at(self.state)
        return None if due is None else (due - START) / SECOND

    def said(self) -> list[Said]:
        return said(self.log)

    def kinds(self) -> list[Kind]:
        return [entry.kind for entry in self.log]

    def raised(self) -> list[tuple[float, Severity | None]]:
        """When an alarm was raised or rose, and to what."""
        return [(at, severity) for kind, at, severity in self.said() if kind in (Kind.RAISED, Kind.SEVERITY_ROSE)]
