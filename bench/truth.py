"""What was true on the simulated ward, and the score of those who mailed about it.

Every *case* is one scripted episode or one quiet hour of one patient:

- a **dangerous episode** moves vitals to a band of high or medium severity (the simulator's truth). *TP*: a mail of
  high or medium severity, sent between its start and GRACE_SECONDS after its end, tells that one of its attributes went
  out of range in its direction, or further out; or such a mail was sent before, and its alarm has not ended when the
  episode reaches its height (it *stood already*: no new mail is due). *FN*: there is no such mail. No mail of what
  began in a dangerous episode is false, whatever it tells: the patient is ill.
- a **harmless episode** (probe off, motion, late rows, duplicates) disturbs the signal of a patient who is well. *FP*:
  a mail tells of something that began in it. *TN*: none does.
- a **quiet hour** is an hour by the clock in which none of the patient's episodes (with its grace) has a part. *FP*: a
  mail tells of something that began in it. *TN*: none does.

What began within an episode or its grace belongs to it, to the later one where two meet. What began outside, in the
rest of an hour with an episode, is a case of its own, an *FP*, once an hour. Episodes that the end of the day cut off
are no cases. Reminders and resolved notices tell nothing new and are left out here; they do count as mails.

`score` = (TP + TN) / (TP + TN + FP + 5 FN): PhysioNet/CinC Challenge 2015, a missed alarm weighs five false ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.ward_day import WardDay
from producers.simulator.episodes import Episode

GRACE_SECONDS = 60
"""What began in an episode may be told a delay and a grouping later, and a signal needs a moment to be itself again."""

LASTS = 2**62
HOUR_MS = 3_600_000
MISSED_WEIGHS = 5
DANGEROUS = frozenset({"high", "medium"})
NO_EPISODE = -1

Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """Mails about one attribute and direction of a patient (position): when each was sent, and when what it tells of
    began and ended (LASTS: it has not)."""

    patient: int
    attribute: str
    direction: str
    sent_at: Times
    began_at: Times
    ended_at: Times


@dataclass
class Score:
    """Cases by outcome. `stood`: how many of TP by an alarm that stood already; `missed`: the dangerous episodes
    without a mail; `false`: how many FP of each kind of case."""

    tp: int = 0
    tn: int = 0
    fp: int = 0
    fn: int = 0
    stood: int = 0
    missed: list[Episode] = field(default_factory=list)
    false: Counter[str] = field(default_factory=Counter)

    @property
    def value(self) -> float:
        """From 0 to 1."""
        cases = self.tp + self.tn + self.fp + MISSED_WEIGHS * self.fn
        return (self.tp + self.tn) / cases if cases else 0.0

    def dangerous(self, episode: Episode, is_told: bool, stood: bool) -> None:
        """Count a dangerous episode."""
        if is_told or stood:
            self.tp += 1
            self.stood += not is_told
        else:
            self.fn += 1
            self.missed.append(episode)

    def harmless(self, kind: str, is_told: bool) -> None:
        """Count a case in which nothing should be told."""
        if is_told:
            self.fp += 1
            self.false[kind] += 1
        else:
            self.tn += 1


def is_dangerous(episode: Episode) -> bool:
    """Whether its truth is of a severity that doctors are mailed about."""
    return any(truth.expected_severity in DANGEROUS for truth in episode.truths())


def score(day: WardDay, told: Iterable[Told]) -> Score:
    """The score of one way of mailing over the whole day."""
    result = Score()
    by_patient: dict[int, list[Told]] = {}
    for one in told:
        by_patient.setdefault(one.patient, []).append(one)
    for position in range(len(day.ward.patients)):
        episodes = [episode for episode in day.episodes if episode.patient == position]
        _score_patient(day, episodes, by_patient.get(position, []), result)
    return result


def detected(day: WardDay, told: Iterable[Told]) -> set[int]:
    """The dangerous episodes (place in `day.episodes`) that were told in time."""
    by_patient: dict[int, list[Told]] = {}
    for one in told:
        by_patient.setdefault(one.patient, []).append(one)
    return {
        place
        for place, episode in enumerate(day.episodes)
        if is_dangerous(episode) and any(_heard(day, episode, by_patient.get(episode.patient, [])))
    }


def window(day: WardDay, episode: Episode) -> tuple[int, int]:
    """From its start to the end of its grace, epoch ms."""
    return day.ms(episode.start), day.ms(episode.end + GRACE_SECONDS)


def _score_patient(day: WardDay, episodes: Sequence[Episode], told: Sequence[Told], result: Score) -> None:
    began = np.concatenate([one.began_at for one in told]) if told else np.array([], dtype=np.int64)
    belongs = np.full(len(began), NO_EPISODE)
    windows = [window(day, episode) for episode in episodes]
    for place, (begin, end) in enumerate(windows):
        belongs[(began >= begin) & (began <= end)] = place
    for place, episode in enumerate(episodes):
        if day.ms(episode.end) > day.end:
            continue
        if is_dangerous(episode):
            result.dangerous(episode, *_heard(day, episode, told))
        elif not episode.targets:
            result.harmless(episode.kind.name, bool(np.any(belongs == place)))
    alone = began[belongs == NO_EPISODE]
    for hour in range(day.start, day.end, HOUR_MS):
        is_quiet = all(end < hour or begin >= hour + HOUR_MS for begin, end in windows)
        is_told = bool(np.any((alone >= hour) & (alone < hour + HOUR_MS)))
        if is_quiet or is_told:
            result.harmless("quiet hour" if is_quiet else "rest of an hour", is_told)


def _heard(day: WardDay, episode: Episode, told: Iterable[Told]) -> tuple[bool, bool]:
    """Whether a mail was sent about it within its window, and whether an alarm that was mailed before stood already."""
    begin, end = window(day, episode)
    height = day.ms(episode.start + episode.kind.ramp)
    about = [
        one
        for one in told
        if one.attribute in episode.targets and one.direction == episode.targets[one.attribute].direction
    ]
    is_told = any(np.any((one.sent_at >= begin) & (one.sent_at <= end)) for one in about)
    return is_told, any(np.any((one.sent_at < begin) & (one.ended_at >= height)) for one in about)
