"""Which devices have fallen silent. Pure: no I/O, and the time is that of the stream.

Missing data never clears an alarm; it is an alarm of its own, a technical one (IEC 60601-1-8). The time that passes is
the newest time of insertion seen of anybody, never the wall clock, so that a pipeline that is late or stands still
silences nobody: that is one alarm of its own, by `pipeline_late`. A gap in everybody's readings counts as nobody's
silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from clinical.lateness import Lateness
from clinical.presence_track import MISSED, NEVER, SPACING, Stalls, Track
from clinical.vitals import VITALS, expected_seconds

LEAST_INTERVAL_SECONDS = 10.0
"""A monitor that sends each second is not lost with three seconds: 30 s, as long as a value takes to clear."""

FORGOTTEN_SECONDS = 43_200
"""Longer than any spot measurement is away from the next (8 h): a monitor that has been silent for so long was taken
off, and nobody waits for it."""

AHEAD_SECONDS = 10
"""A time of insertion further ahead of our clock is taken for this far ahead, so that one wrong row cannot make
everybody else look silent."""


@dataclass(frozen=True)
class Signal:
    """An attribute of a patient, or with `attribute` None: anything from the patient's devices."""

    patient_id: str
    attribute: str | None = None


class Ending(StrEnum):
    """Why a signal is no longer lost."""

    RETURNED = "returned"
    COVERED = "covered"
    """Nothing at all comes from the patient now, and that is what is lost instead."""
    FORGOTTEN = "forgotten"
    """Nobody waits for it: the patient was discharged, or it has been silent for FORGOTTEN_SECONDS."""


@dataclass(frozen=True)
class SignalChanges:
    """Signals that were lost since the last call, with the time of the last reading (epoch ms); and that ended."""

    lost: dict[Signal, int] = field(default_factory=dict)
    ended: dict[Signal, Ending] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.lost or self.ended)


class _Patient:
    """`last`: the newest second of any signal; `back`: when it came back after silence; `due`: when to look again.

    `steady`: attributes that all were heard at `last`, which their tracks are told only when it matters.
    `unbelieved`: when a value of each attribute came last that is not believed; the newest had the signal `quality`.
    """

    __slots__ = ("back", "due", "last", "quality", "steady", "tracks", "unbelieved")

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self.unbelieved: dict[str, int] = {}
        self.quality = 0.0
        self.last = NEVER
        self.back = NEVER
        self.due = NEVER
        self.steady: tuple[str, ...] = ()

    def settle(self) -> None:
        """Tell the tracks what they were not told yet."""
        for attribute in self.steady:
            if track := self.tracks.get(attribute):
                track.end = max(track.end, self.last)
        self.steady = ()


def expected_intervals(changed: Mapping[str, float]) -> dict[str, float]:
    """Seconds between two readings of a monitor, by attribute: those of the catalogue, or as `changed`."""
    return {name: max(expected_seconds(name, changed), LEAST_INTERVAL_SECONDS) for name in VITALS}


class Presence:
    """Follows every patient's signals. `now`: the clock, epoch ms; `late_seconds`: when the pipeline is late.

    Memory holds what reported within FORGOTTEN_SECONDS. After a restart `restore` says what was lost before; reading
    again what was seen already changes nothing.
    """

    def __init__(self, now: int, changed_seconds: Mapping[str, float] | None = None, late_seconds: float = 60) -> None:
        self._intervals = expected_intervals(changed_seconds or {})
        self._least = min(self._intervals.values())
        self._least_limit = self._least * MISSED
        self._patients: dict[str, _Patient] = {}
        self._lost: dict[Signal, int] = {}
        self._discharged: set[str] = set()
        self._stalls = Stalls(self._least * SPACING)
        self._late_seconds = late_seconds
        self._lateness = Lateness(late_seconds)
        self._watermark = NEVER
        self._ahead = now // 1000 + AHEAD_SECONDS

    def see(self, patient_id: str, attributes: Sequence[str], inserted_at: int) -> None:
        """Count a reading: the attributes that it has a value of, and when it was inserted (epoch ms).

        Of patients only: a watchdog's reading would let time pass while no device can be heard.
        The same tuple of attributes as in the patient's reading before costs least.
        """
        second = self._second(inserted_at)
        if not attributes:
            return
        patient = self._patient(patient_id)
        if attributes == patient.steady and 0 <= second - patient.last <= self._least_limit:
            patient.last = second
            return
        patient.settle()
        was_silent = second - patient.last > self._least_limit and self._is_silent(patient, second)
        if self._hear(patient, attributes, second) and second >= patient.last:
            patient.last = second
            if was_silent:
                patient.back = second

    def disbelieve(self, patient_id: str, attributes: Sequence[str], inserted_at: int, quality: float) -> None:
        """Count a reading whose values of these attributes are not believed, with its signal quality (%).

        A device that sends a row of them is one that should give values: until an attribute was first heard they count
        as if they were, so that it is waited for and electrodes which never had contact are told as lost too.
        """
        second = self._second(inserted_at)
        patient = self._patient(patient_id)
        patient.quality = quality
        patient.settle()
        is_waited_for = patient.last != NEVER and not self._is_silent(patient, second)
        for name in attributes:
            if name not in self._intervals:
                continue
            patient.unbelieved[name] = max(second, patient.unbelieved.get(name, NEVER))
            track = patient.tracks.get(name) or patient.tracks.setdefault(name, Track(self._intervals[name]))
            if track.end != NEVER or not track.take(second):
                continue
            if patient.last == NEVER or is_waited_for:
                patient.last = max(patient.last, track.end)
            patient.due = NEVER

    def unbelieved(self) -> dict[str, float]:
        """The signal quality (%) of the patients of whom values come that are not believed."""
        return {
            patient_id: patient.quality
            for patient_id, patient in self._patients.items()
            if any(
                self._watermark - newest <= self._intervals[name] * SPACING
                for name, newest in patient.unbelieved.items()
            )
        }

    def changes(self, now: int, behind: bool = False) -> SignalChanges:
        """What was lost and what ended since the last call. `now`: the clock, epoch ms.

        `behind` says that readings wait that were not seen yet, so that one patient's may be older than another's:
        then nothing is told until they have been seen. Call it every second or so.
        """
        self._ahead = now // 1000 + AHEAD_SECONDS
        if self._watermark > self._ahead:
            self._begin_anew(now)
        if behind or self._watermark == NEVER:
            return SignalChanges()
        lost = self._look()
        told = SignalChanges(
            {signal: since for signal, since in lost.items() if signal not in self._lost},
            {signal: self._ending(signal, lost) for signal in self._lost if signal not in lost},
        )
        self._lost = lost
        self._discharged.clear()
        self._stalls.forget(self._watermark - FORGOTTEN_SECONDS)
        return told

    def _begin_anew(self, now: int) -> None:
        """The clock was set back: all that was heard lies in a time that is to come, in which nothing would be missed.

        Devices are heard anew from now on, and what was lost stays so until it is.
        """
        self._patients.clear()
        self._stalls = Stalls(self._least * SPACING)
        self._lateness = Lateness(self._late_seconds)
        self._watermark = NEVER
        latest = now - round(max(self._intervals.values()) * MISSED + 1) * 1000
        self.restore({signal: min(since, latest) for signal, since in self._lost.items()})

    def silent(self) -> set[Signal]:
        """What is lost, as of the last call of `changes`."""
        return set(self._lost)

    def pipeline_late(self, now: int) -> float | None:
        """How many seconds late the pipeline is as a whole, 0 when it is not; None while that cannot be told."""
        return self._lateness.late(now / 1000)

    def forget(self, patient_id: str) -> None:
        """Wait for nothing of this patient any more: a discharge."""
        self._patients.pop(patient_id, None)
        self._discharged.add(patient_id)
        if not self._patients:
            self._lateness.forget()

    def restore(self, lost: Mapping[Signal, int]) -> None:
        """Signals that were lost before a restart, with the time of their last reading (epoch ms)."""
        for signal, since in lost.items():
            patient = self._patients.setdefault(signal.patient_id, _Patient())
            if signal.attribute is None:
                patient.last = since // 1000
            elif signal.attribute in self._intervals:
                track = patient.tracks[signal.attribute] = Track(self._intervals[signal.attribute])
                track.end = since // 1000
            self._lost[signal] = since

    def _second(self, inserted_at: int) -> int:
        """The second of a reading, which stream time has reached with it."""
        second = min(inserted_at // 1000, self._ahead)
        if second > self._watermark:
            self._advance(second)
        return second

    def _patient(self, patient_id: str) -> _Patient:
        patient = self._patients.get(patient_id)
        if patient is None:
            patient = self._patients[patient_id] = _Patient()
        return patient

    def _hear(self, patient: _Patient, attributes: Sequence[str], second: int) -> bool:
        """Count each attribute of a reading; whether any of them is reporting."""
        reporting = 0
        known = [name for name in attributes if name in self._intervals]
        for name in known:
            track = patient.tracks.get(name) or patient.tracks.setdefault(name, Track(self._intervals[name]))
            if second - track.end <= track.limit:
                track.end = max(track.end, second)
                reporting += 1
            elif track.stray(second, self._heard(patient, track)):
                patient.due = NEVER
                reporting += 1
        if reporting and reporting == len(known) and second >= patient.last:
            patient.steady = tuple(attributes)
        return reporting > 0

    def _advance(self, second: int) -> None:
        if self._watermark != NEVER:
            self._stalls.note(self._watermark, second)
        self._watermark = second
        self._lateness.see(second)

    def _look(self) -> dict[Signal, int]:
        """Everything that is lost now; forgets what is old."""
        lost: dict[Signal, int] = {}
        now = self._watermark
        for patient_id, patient in list(self._patients.items()):
            if now < patient.due:
                continue
            patient.settle()
            if self._forget_old(patient):
                del self._patients[patient_id]
                continue
            found = self._lost_of(patient_id, patient)
            lost.update(found)
            patient.due = NEVER if found else self._soonest(patient)
        return lost

    def _soonest(self, patient: _Patient) -> int:
        """Before this second nothing of a patient can be lost of whom nothing is lost now."""
        ends = [track.end + track.limit for track in patient.tracks.values() if track.end != NEVER]
        last = self._watermark if patient.last == NEVER else patient.last
        return int(min([*ends, last + self._least_limit])) + 1

    def _lost_of(self, patient_id: str, patient: _Patient) -> dict[Signal, int]:
        now = self._watermark
        if self._is_silent(patient, now):
            return {Signal(patient_id): patient.last * 1000}
        return {
            Signal(patient_id, attribute): track.end * 1000
            for attribute, track in patient.tracks.items()
            if track.end != NEVER and now - self._heard(patient, track) > track.limit
        }

    def _is_silent(self, patient: _Patient, at: int) -> bool:
        """Whether nothing at all comes from a patient: not even the most frequent of what came until the end.

        A signal that was lost by itself before is not waited for here, else a patient with a cuff alone would be
        silent between any two of its measurements.
        """
        if patient.last == NEVER:
            return False
        current = [t.interval for t in patient.tracks.values() if patient.last - t.end <= t.spacing]
        interval = min(current, default=self._least)
        return at - self._stalls.heard(patient.last, interval) > interval * MISSED

    def _heard(self, patient: _Patient, track: Track) -> int:
        """From when on a signal is waited for: when it was last heard, or an excuse later than that."""
        return NEVER if track.end == NEVER else self._stalls.heard(max(track.end, patient.back), track.interval)

    def _forget_old(self, patient: _Patient) -> bool:
        """Forget signals of long ago, but of a monitor that goes on without contact; whether nothing is left."""
        before = self._watermark - FORGOTTEN_SECONDS
        for attribute, track in list(patient.tracks.items()):
            if max(track.newest(), patient.unbelieved.get(attribute, NEVER)) < before:
                del patient.tracks[attribute]
                patient.unbelieved.pop(attribute, None)
        return not patient.tracks and patient.last < before

    def _ending(self, signal: Signal, lost: Mapping[Signal, int]) -> Ending:
        if signal.attribute is not None and Signal(signal.patient_id) in lost:
            return Ending.COVERED
        patient = None if signal.patient_id in self._discharged else self._patients.get(signal.patient_id)
        is_known = patient is not None and (signal.attribute is None or signal.attribute in patient.tracks)
        return Ending.RETURNED if is_known else Ending.FORGOTTEN
