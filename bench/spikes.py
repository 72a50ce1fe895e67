"""Motion: which readings a spike disturbed, and which mails a single disturbed reading has caused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from alerts.rehearsal import Alarm, Rehearsal
from bench.truth import DANGEROUS
from bench.ward_day import WardDay
from clinical.lifecycle_events import Kind
from clinical.notices import News
from producers.simulator.episodes import Episode

APART = 2
"""Readings on each side that must be undisturbed: of three consecutive ones only one is then a spike."""

READING_MS = 1000
DISTURBED = ("spo2", "heart_rate", "news2")
"""What a spike disturbs, and the score that is made of it."""


def single_spikes(day: WardDay) -> dict[str, list[int]]:
    """Times (epoch ms) of the single disturbed readings of each patient."""
    found: dict[str, list[int]] = {}
    for episode in day.episodes:
        if "spikes" in episode.shape:
            found.setdefault(day.ward.patients[episode.patient].patient_id, []).extend(_singles(day, episode))
    return found


def mails_of_spikes(result: Rehearsal, spikes: dict[str, list[int]]) -> int:
    """How many mails tell that an alarm was raised, or rose, by nothing but a single disturbed reading."""
    return sum(
        any(
            news in (News.RAISED, News.WORSE, News.AGAIN) and _rose_at(alarm, spikes.get(alarm.patient_id, ()))
            for alarm, news in zip(mail.alarms, mail.news, strict=True)
        )
        for mail in result.mails
    )


def _singles(day: WardDay, episode: Episode) -> Iterator[int]:
    times = day.readings[episode.patient].recorded_at
    disturbed = np.zeros(len(times), dtype=np.bool_)
    for begin, end, *_ in episode.shape["spikes"]:
        disturbed |= (times >= day.ms(episode.start + begin)) & (times < day.ms(episode.start + end))
    places = np.flatnonzero(disturbed)
    for place in places:
        if np.count_nonzero(np.abs(places - place) <= APART) == 1:
            yield int(times[place])


def _rose_at(alarm: Alarm, times: Iterable[int]) -> bool:
    rises = [
        change.event_at
        for change in alarm.history
        if change.kind in (Kind.RAISED, Kind.SEVERITY_ROSE) and change.severity in DANGEROUS
    ]
    return alarm.attribute in DISTURBED and any(0 <= rise - at < READING_MS for rise in rises for at in times)
