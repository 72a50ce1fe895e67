"""Two threshold sets on the same history: what the second would have changed. Pure; nothing is read or written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from alerts.banding import BandTable
from alerts.rehearsal import Alarm, Mail, Patient, Rehearsal, Series, rehearse
from clinical.lifecycle_events import SEVERITIES
from clinical.messages import Severity
from clinical.notices import Rule
from clinical.thresholds import ThresholdRow


@dataclass(frozen=True)
class History:
    """What was measured: the patients with their series, up to the clock `until` (epoch ms)."""

    patients: Sequence[tuple[Patient, Sequence[Series]]]
    until: int


@dataclass(frozen=True)
class Count:
    """How many there are by the first and by the second set."""

    before: int
    after: int


@dataclass(frozen=True)
class Changed:
    """An alarm that only one of the sets mails about, or both with another severity: `before` and `after`, None where
    there is none. The times are of the one that is there, the second where both are."""

    alarm: Alarm
    before: Severity | None
    after: Severity | None


@dataclass(frozen=True)
class Comparison:
    """`alarms`: raised ones, by attribute and peak severity; `mails`: by severity.

    An *episode* is an alarm that is mailed about. `missed`: no alarm of the second set that is mailed about meets it in
    time (same patient, attribute and direction); `new`: the other way round; `severity`: told by both, with another
    peak.
    """

    alarms: dict[tuple[str, Severity], Count]
    mails: dict[Severity, Count]
    missed: Sequence[Changed]
    new: Sequence[Changed]
    severity: Sequence[Changed]


def replay_on(
    history: History,
    before: Iterable[ThresholdRow],
    after: Iterable[ThresholdRow],
    rule: Rule,
    say: Callable[[int], None] = lambda _done: None,
    changed_seconds: Mapping[str, float] | None = None,
) -> Comparison:
    """What the second of two checked tables would have changed. `say` hears how many patients are done.

    `changed_seconds`: attribute -> how often it is expected where that is not as in the catalogue.
    """
    tables = BandTable(before), BandTable(after)
    results = Rehearsal(), Rehearsal()
    for done, (patient, series) in enumerate(history.patients, start=1):
        for table, result in zip(tables, results, strict=True):
            result.add(rehearse(patient, series, table, rule, history.until, changed_seconds=changed_seconds))
        say(done)
    return compare(*results, rule)


def compare(before: Rehearsal, after: Rehearsal, rule: Rule) -> Comparison:
    """The difference of two rehearsals of one history."""
    episodes = _episodes(before, rule), _episodes(after, rule)
    missed, changed = [], []
    for alarm in (alarm for alarms in episodes[0].values() for alarm in alarms):
        met = _meeting(alarm, episodes[1])
        if not met:
            missed.append(Changed(alarm, alarm.peak, None))
        elif (peak := max((_peak(one) for one in met), key=SEVERITIES.index)) != alarm.peak:
            changed.append(Changed(met[0], alarm.peak, peak))
    new = [
        Changed(alarm, None, alarm.peak)
        for alarms in episodes[1].values()
        for alarm in alarms
        if not _meeting(alarm, episodes[0])
    ]
    return Comparison(
        alarms=_counts(_raised(before.alarms), _raised(after.alarms)),
        mails=_counts(_by_severity(before.mails), _by_severity(after.mails)),
        missed=sorted(missed, key=_began_at),
        new=sorted(new, key=_began_at),
        severity=sorted(changed, key=_began_at),
    )


Key = tuple[str, str, str]
K = TypeVar("K")


def _episodes(result: Rehearsal, rule: Rule) -> dict[Key, list[Alarm]]:
    """The alarms that are mailed about, by patient, attribute and direction, in order of time."""
    found: dict[Key, list[Alarm]] = {}
    for alarm in result.alarms:
        if alarm.peak in rule.told:
            found.setdefault((alarm.patient_id, alarm.attribute, alarm.direction), []).append(alarm)
    return found


def _meeting(alarm: Alarm, others: dict[Key, list[Alarm]]) -> list[Alarm]:
    """Those that have a moment in common with it."""
    candidates = others.get((alarm.patient_id, alarm.attribute, alarm.direction), [])
    return [one for one in candidates if _lasts_until(one, alarm.began_at) and _lasts_until(alarm, one.began_at)]


def _lasts_until(alarm: Alarm, at: int) -> bool:
    return alarm.ended_at is None or alarm.ended_at >= at


def _peak(alarm: Alarm) -> Severity:
    return alarm.peak or "low"


def _raised(alarms: Iterable[Alarm]) -> Counter[tuple[str, Severity]]:
    return Counter((alarm.attribute, alarm.peak) for alarm in alarms if alarm.peak is not None)


def _by_severity(mails: Iterable[Mail]) -> Counter[Severity]:
    return Counter(mail.severity for mail in mails)


def _counts(before: Counter[K], after: Counter[K]) -> dict[K, Count]:
    return {key: Count(before[key], after[key]) for key in {**before, **after}}


def _began_at(changed: Changed) -> int:
    return changed.alarm.began_at
