"""What happens to the patients: scripted episodes, each with the truth that goes with it.

A *physiological* episode moves vitals from the patient's baseline to a target along a trapezoid (ramp, hold, ramp back)
and says which severity a true alarm has. An *artefact* disturbs the signal while the patient is well, so any alarm that
it causes is a false one. Times are seconds after the start of the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clinical.messages import Direction, Severity
from infra.errors import ConfigurationError
from producers.simulator.profiles import ATTRIBUTES, Patient

ANY = "*"
"""In place of an attribute: the episode concerns whole rows."""

_POSITION = {attribute: position for position, attribute in enumerate(ATTRIBUTES)}
_HEART_RATE, _SPO2 = _POSITION["heart_rate"], _POSITION["spo2"]
_INFANTS = ("neonate", "infant")

Values = list[float | None]

NO_CONTACT, DISTURBED, FLAT_BATTERY = 0, 55, 8
"""Per cent of signal quality without contact and under movement, and of charge."""


@dataclass(frozen=True)
class Target:
    """Where an attribute goes at the height of an episode, and what that is worth to a clinician."""

    value: float
    direction: Direction
    severity: Severity


@dataclass(frozen=True)
class Kind:
    """A kind of episode. `targets`: by age band, for physiological ones. `hold` and `ramp` in seconds.

    `weight`: how often it comes by chance, against the others; 0: only when asked for.
    """

    name: str
    ramp: float
    hold: float
    weight: float
    suits: Callable[[Patient], bool]
    targets: Mapping[str, Mapping[str, Target]] = field(default_factory=dict)
    disturbs: tuple[str, ...] = (ANY,)


def _bands(attribute: str, direction: Direction, by_band: Mapping[str, tuple[float, Severity]]) -> dict[str, Any]:
    return {band: {attribute: Target(value, direction, severity)} for band, (value, severity) in by_band.items()}


def _same(value: float, severity: Severity) -> dict[str, tuple[float, Severity]]:
    bands = ("neonate", "infant", "toddler", "child", "teen", "adult", "elderly")
    return dict.fromkeys(bands, (value, severity))


def _sepsis(
    heart_rate: float, breaths: tuple[float, Severity], temperature: tuple[float, Severity], systolic: float
) -> dict[str, Target]:
    return {
        "heart_rate": Target(heart_rate, "high", "medium"),
        "respiratory_rate": Target(breaths[0], "high", breaths[1]),
        "temperature": Target(temperature[0], "high", temperature[1]),
        "systolic_bp": Target(systolic, "low", "high"),
    }


_BRADYCARDIA: dict[str, tuple[float, Severity]] = {
    "neonate": (70, "high"),
    "infant": (60, "high"),
    "toddler": (50, "high"),
    "child": (42, "high"),
    "teen": (34, "high"),
    "adult": (34, "high"),
    "elderly": (33, "high"),
}
_FEVER: dict[str, tuple[float, Severity]] = {
    **_same(40.6, "medium"),
    "neonate": (38.9, "high"),
    "adult": (39.7, "medium"),
    "elderly": (39.6, "medium"),
}
_SEPSIS: dict[str, dict[str, Target]] = {
    "neonate": _sepsis(185, (85, "medium"), (38.8, "high"), 40),
    "infant": _sepsis(175, (76, "medium"), (40.5, "medium"), 55),
    "toddler": _sepsis(160, (66, "medium"), (40.5, "medium"), 59),
    "child": _sepsis(140, (45, "medium"), (40.5, "medium"), 62),
    "teen": _sepsis(130, (26, "medium"), (40.5, "medium"), 68),
    "adult": _sepsis(121, (28, "high"), (39.6, "medium"), 83),
    "elderly": _sepsis(121, (28, "high"), (39.6, "medium"), 82),
}


def _anyone(_patient: Patient) -> bool:
    return True


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("desaturation", 20, 60, 2, _anyone, _bands("spo2", "low", _same(84, "high"))),
        Kind("sepsis", 240, 300, 1, lambda patient: patient.age_band in ("adult", "elderly"), _SEPSIS),
        Kind(
            "bradycardia",
            8,
            60,
            1,
            lambda patient: patient.age_band in ("adult", "elderly"),
            _bands("heart_rate", "low", _BRADYCARDIA),
        ),
        Kind(
            "hypoglycaemia",
            90,
            180,
            1,
            lambda patient: patient.profile in ("diabetic", "low_glucose", "party_goer"),
            _bands("glucose", "low", _same(44, "high")),
        ),
        Kind("fever", 120, 300, 1, lambda patient: patient.age_band in _INFANTS, _bands("temperature", "high", _FEVER)),
        Kind("probe_off", 0, 30, 2, _anyone, disturbs=("spo2", "heart_rate")),
        Kind("motion", 0, 40, 2, _anyone, disturbs=("spo2", "heart_rate")),
        Kind("late", 0, 30, 1, _anyone),
        Kind("duplicate", 0, 15, 1, _anyone),
        Kind("battery_low", 0, 60, 0, _anyone),
    )
}


@dataclass(frozen=True)
class Truth:
    """One row of truth: what of an episode concerns one attribute."""

    attribute: str
    direction: Direction | None
    expected_severity: Severity | None


@dataclass(frozen=True)
class Episode:
    """One episode of one patient (by position in the ward), from `start` to `end`.

    `shape`: what was drawn for it: `{"mode": …}` of a probe that is off, `{"spikes": […]}` of motion.
    """

    kind: Kind
    patient: int
    start: float
    end: float
    targets: Mapping[str, Target]
    shape: Mapping[str, Any]

    def level(self, at: float) -> float:
        """How far a physiological episode has gone at `at`: 0 at its edges, 1 while it holds."""
        ramp = self.kind.ramp
        return max(0.0, min(1.0, (at - self.start) / ramp, (self.end - at) / ramp)) if ramp else 1.0

    def disturb(self, at: float, values: Values, patient: Patient) -> None:
        """Change `values` (order of ATTRIBUTES) of a reading at `at` in place."""
        level = self.level(at)
        for attribute, target in self.targets.items():
            position = _POSITION[attribute]
            value, baseline = values[position], patient.baseline[position]
            if value is not None:
                # The noise shrinks with the drift: a failing organ varies less (and the truth stays the truth).
                values[position] = baseline + level * (target.value - baseline) + (value - baseline) * (1 - 0.8 * level)
        if "mode" in self.shape:
            values[_SPO2] = values[_HEART_RATE] = None if self.shape["mode"] == "null" else 0.0
        for begin, end, factor, drop in self.shape.get("spikes", ()):
            if begin <= at - self.start < end:
                _spike(values, factor, drop)

    def device(self, at: float, signal_quality: int, battery: int | None) -> tuple[int, int | None]:
        """What the device says about itself meanwhile (%), instead of this."""
        if "mode" in self.shape:
            return NO_CONTACT, battery
        if self.kind.name == "battery_low":
            return signal_quality, FLAT_BATTERY
        moving = any(begin <= at - self.start < end for begin, end, *_ in self.shape.get("spikes", ()))
        return (DISTURBED if moving else signal_quality), battery

    def truths(self) -> list[Truth]:
        """What should be known of it, an attribute each."""
        if self.targets:
            return [Truth(attribute, target.direction, target.severity) for attribute, target in self.targets.items()]
        return [Truth(attribute, None, None) for attribute in self.kind.disturbs]


def _spike(values: Values, factor: float, drop: float) -> None:
    heart_rate, spo2 = values[_HEART_RATE], values[_SPO2]
    if heart_rate is not None:
        values[_HEART_RATE] = min(300.0, heart_rate * factor)
    if spo2 is not None:
        values[_SPO2] = max(40.0, spo2 - drop)


def make_episode(kind: Kind, patients: Sequence[Patient], patient: int, start: float, seed: int) -> Episode:
    """The episode of that kind, patient (position) and start; the rest is drawn from `seed`."""
    rng = np.random.default_rng([seed, patient, round(start * 1000)])
    stretch = float(rng.uniform(0.9, 1.3))
    shape: dict[str, Any] = {}
    if kind.name == "probe_off":
        shape["mode"] = ("null", "zero")[rng.integers(2)]
    if kind.name == "motion":
        begins = np.sort(rng.uniform(0, kind.hold, size=rng.integers(4, 9)))
        shape["spikes"] = [
            (
                round(float(begin), 3),
                round(float(begin + rng.uniform(1, 3)), 3),
                round(float(rng.uniform(1.4, 2.2)), 2),
                round(float(rng.uniform(6, 25)), 1),
            )
            for begin in begins
        ]
    end = start + 2 * kind.ramp + kind.hold * stretch
    targets = kind.targets.get(patients[patient].age_band, {})
    return Episode(kind, patient, start, round(end, 3), targets, shape)


@dataclass(frozen=True)
class Order:
    """An episode that someone asked for: `patient` is an id, or None for the first whom it suits."""

    kind: str
    patient: str | None = None
    offset: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Order:
        """`KIND[:patient][@offset]`, for example `bradycardia:P0007@5`. Raises ConfigurationError."""
        match = re.fullmatch(r"(?P<kind>[\w-]+)(:(?P<patient>[^@]+))?(@(?P<offset>\d+(\.\d+)?)s?)?", text.strip())
        kind = match["kind"].lower().replace("-", "_") if match else ""
        if match is None or kind not in KINDS:
            raise ConfigurationError(
                f"Episode {text!r} is not understood; write KIND[:patient][@offset in seconds], for example "
                f"bradycardia:P0007@5. Kinds: {', '.join(KINDS)}."
            )
        return cls(kind, match["patient"], float(match["offset"] or 0))


class Schedule:
    """Which episodes begin when: those that were ordered, and a random one every `every` seconds on average.

    A patient has at most one episode at a time; an ordered one is given even so, a random one finds another patient.
    """

    def __init__(self, patients: Sequence[Patient], orders: Sequence[Order], every: float | None, seed: int) -> None:
        self._patients = patients
        self._seed = seed
        self._every = every
        self._rng = np.random.default_rng([seed, 0, 1])
        self._ordered: list[Episode] = []
        for order in orders:
            self._ordered.append(self._make(order))
        self._ordered.sort(key=lambda episode: episode.start)
        self._busy_until: dict[int, float] = {}
        self._next = self._pause()

    def beginning_before(self, at: float) -> list[Episode]:
        """The episodes that begin before `at` and were not given yet, by time."""
        begun: list[Episode] = []
        while self._ordered and self._ordered[0].start < at:
            begun.append(self._ordered.pop(0))
            self._busy_until[begun[-1].patient] = begun[-1].end
        while self._next < at:
            episode = self._random(self._next)
            if episode is not None:
                begun.append(episode)
                self._busy_until[episode.patient] = episode.end
            self._next += self._pause()
        return sorted(begun, key=lambda episode: (episode.start, episode.patient))

    def _make(self, order: Order) -> Episode:
        kind = KINDS[order.kind]
        if order.patient is None:
            taken = {episode.patient for episode in self._ordered}
            suited = [position for position, patient in enumerate(self._patients) if kind.suits(patient)]
            free = [position for position in suited if position not in taken]
            position = (free or suited or [0])[0]
        else:
            ids = [patient.patient_id for patient in self._patients]
            if order.patient not in ids:
                raise ConfigurationError(
                    f"Episode {order.kind}: there is no patient {order.patient}; the ward has {ids[0]} to {ids[-1]}."
                )
            position = ids.index(order.patient)
        return make_episode(kind, self._patients, position, order.offset, self._seed)

    def _random(self, at: float) -> Episode | None:
        """A random episode at `at`, None when everyone whom it suits is busy or about to be."""
        kinds = list(KINDS.values())
        weights = np.array([kind.weight for kind in kinds])
        kind = kinds[self._rng.choice(len(kinds), p=weights / weights.sum())]
        booked = {episode.patient for episode in self._ordered}
        free = [
            position
            for position, patient in enumerate(self._patients)
            if kind.suits(patient) and self._busy_until.get(position, 0) <= at and position not in booked
        ]
        if not free:
            return None
        return make_episode(kind, self._patients, free[self._rng.integers(len(free))], round(at, 3), self._seed)

    def _pause(self) -> float:
        return float(self._rng.exponential(self._every)) if self._every else float("inf")
