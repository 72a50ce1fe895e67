"""The two simple ways of mailing that the alarm path is compared with, and the mails of the path itself, alike.

Both count breaches of high and medium severity only, as low ones are never mailed. They never remind, and do not say
when a value is in range again, as the alarm path does: they could send more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from alerts.banding import AgeBands
from alerts.rehearsal import DIRECTIONS, Rehearsal, Series
from bench.truth import DANGEROUS, LASTS, Told
from clinical.lifecycle_events import SEVERITIES
from clinical.messages import Severity
from clinical.notices import News
from clinical.thresholds import JudgingBand

NOT_MAILED = 0
"""Below the ranks of the severities that are mailed; `places` of no band (-1) picks it as well."""


@dataclass
class Baselines:
    """`each_breach`: one mail for each breach. `crossings`: one whenever a value is in a more severe band than the
    value before it, without delay and hysteresis. `returns`: how often one of no mailed band followed one that was."""

    each_breach: list[Told] = field(default_factory=list)
    crossings: list[Told] = field(default_factory=list)
    returns: int = 0

    def add(self, patient: int, series: Iterable[Series], bands: Mapping[str, AgeBands]) -> None:
        """Mail about one patient (position); `bands` by attribute, at the patient's age."""
        for one in series:
            own = bands[one.attribute]
            _, places = own.find(one.values)
            for direction in DIRECTIONS:
                ranks = [_rank(band) if band.row.direction == direction else NOT_MAILED for band in own.bands]
                now = np.array([*ranks, NOT_MAILED])[places]
                before = np.append([NOT_MAILED], now[:-1])
                self.returns += int(np.count_nonzero((now == NOT_MAILED) & (before != NOT_MAILED)))
                for way, when in ((self.each_breach, now != NOT_MAILED), (self.crossings, now > before)):
                    at = one.recorded_at[when]
                    if len(at):
                        way.append(Told(patient, one.attribute, direction, at, at, at))


def _rank(band: JudgingBand) -> int:
    return SEVERITIES.index(band.row.severity) if band.row.severity in DANGEROUS else NOT_MAILED


def mails_of(told: Iterable[Told]) -> int:
    """How many mails they are, one each."""
    return sum(len(one.sent_at) for one in told)


def told_by(result: Rehearsal, positions: Mapping[str, int], severities: frozenset[Severity]) -> list[Told]:
    """What the mails of the alarm path told that was new: alarms raised or worse, of these severities."""
    found: dict[tuple[int, str, str], list[tuple[int, int, int]]] = {}
    for mail in result.mails:
        for alarm, news in zip(mail.alarms, mail.news, strict=True):
            if news in (News.RAISED, News.WORSE, News.AGAIN) and mail.severity in severities:
                key = (positions[alarm.patient_id], alarm.attribute, alarm.direction)
                found.setdefault(key, []).append(
                    (mail.at, alarm.began_at, LASTS if alarm.ended_at is None else alarm.ended_at)
                )
    return [Told(*key, *np.array(times, dtype=np.int64).T) for key, times in found.items()]
