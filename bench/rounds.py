"""Contenders measured in turn, on the same machine and data, and what each stands to the other.

Absolute figures of a shared machine say little, so every round runs each contender once, in turned order every other
round, and the ratio is taken within a round: what slows the machine for a while slows both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Figure

ROUNDS, TINY_ROUNDS = 3, 1

Samples = Mapping[str, Sequence[Mapping[str, float]]]
"""Contender -> what it measured in each round, by the measure's name."""


@dataclass(frozen=True)
class Measure:
    """What is measured. `digits`: after the point, as shown."""

    name: str
    unit: str
    digits: int = 1

    def shown(self, value: float) -> str:
        return f"{value:,.{self.digits}f} {self.unit}"


@dataclass(frozen=True)
class Goal:
    """What the ratio own / peer of a measure has to be: at most, or at least, so much."""

    ratio: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.ratio:g}"

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio


def alternate(
    contenders: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int, say: Callable[[str], None]
) -> dict[str, list[Mapping[str, float]]]:
    """Run each contender once a round. Raises what a contender raises: a round that is not right is no figure."""
    samples: dict[str, list[Mapping[str, float]]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        order = names if number % 2 == 0 else names[::-1]
        for name in order:
            say(f"round {number + 1} of {rounds}: {name} …")
            samples[name].append(contenders[name]())
    return samples


def lines(samples: Samples, measure: Measure) -> list[Figure]:
    """A line for each contender that has this measure: the median of its rounds, and their spread."""
    found = []
    for name, rounds in samples.items():
        values = [one[measure.name] for one in rounds if measure.name in one]
        if values:
            spread = f" ({measure.shown(min(values))} to {measure.shown(max(values))})" if len(values) > 1 else ""
            found.append(Figure(f"{measure.name}, {name}", measure.shown(statistics.median(values)) + spread))
    return found


def ratio(samples: Samples, measure: Measure, own: str, peer: str, goal: Goal | None = None) -> Figure:
    """The median over the rounds of own / peer, against its goal."""
    value = median_ratio(samples, measure.name, own, peer)
    name = f"  {measure.name}: {own} / {peer}"
    return Figure(name, f"{value:.2f}", str(goal) if goal else "", goal.is_met(value) if goal else None)


def median_ratio(samples: Samples, measure: str, own: str, peer: str) -> float:
    """The median over the rounds of own / peer, each within its round; infinite where the peer had nothing."""
    pairs = zip(samples[own], samples[peer], strict=True)
    return statistics.median(
        mine[measure] / theirs[measure] if theirs[measure] else float("inf") for mine, theirs in pairs
    )
