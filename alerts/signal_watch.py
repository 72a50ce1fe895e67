"""The engine's look at signals: which were lost or came back, where those patients are, and who is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pymysql.cursors import Cursor

from alerts.battery_watch import ASK_AGAIN_MS, BATTERY_LOW, BatteryWatch
from alerts.bedside import Seen
from alerts.message import Style
from alerts.no_signal import (
    HELD,
    PIPELINE_LATE,
    SignalAlarms,
    lost_before,
    pipeline_alarms,
    presence_of,
    signal_alarms,
)
from alerts.silences import Silence, silenced_until
from alerts.technical import open_subjects
from alerts.wards import Stay, contacts_of, ward_of
from clinical.presence import Signal, SignalChanges
from infra.settings import Settings

LOOK_MS = 1000


class SignalWatch:
    """What is told here is written by the engine; after an error both are thrown away."""

    def __init__(self, settings: Settings, style: Style, now: int) -> None:
        self._settings = settings
        self._style = style
        self._presence = presence_of(settings, now)
        self._pipeline_is_late = False
        self._looked_at = now
        self._silences: Sequence[Silence] = ()
        self._held: dict[Signal, int] = {}
        self._written: dict[Signal, int] = {}
        self._asked_at = 0
        self._batteries = BatteryWatch(settings)

    def start(self, cursor: Cursor) -> None:
        """Remember what was told before."""
        self._held = lost_before(cursor, HELD)
        self._written = dict(self._held)
        self._presence.restore({**lost_before(cursor), **self._held})
        self._pipeline_is_late = bool(open_subjects(cursor, PIPELINE_LATE))
        self._batteries = BatteryWatch(self._settings, open_subjects(cursor, BATTERY_LOW))

    def silence(self, silences: Sequence[Silence]) -> None:
        """These are in force: what they cover is told when they are over, if it is still lost."""
        self._silences = silences

    def see(self, seen: Seen) -> None:
        """Count a reading, also one that was counted before a restart."""
        if not seen.is_reading:
            return
        self._presence.see(seen.patient_id, tuple(value.attribute for value in seen.values), seen.inserted_at)
        if seen.unbelieved and seen.signal_quality is not None:
            self._presence.disbelieve(seen.patient_id, seen.unbelieved, seen.inserted_at, seen.signal_quality)
        self._batteries.see(seen, self._looked_at)

    def left(self, patients: Collection[str]) -> None:
        """These have left, of all who are `waited_for`: nothing of them is waited for any more."""
        for patient_id in patients:
            self._presence.forget(patient_id)
        self._batteries.left(patients)

    def waited_for(self) -> set[str]:
        """Those of whom a signal is lost, or about to be with the battery."""
        return {signal.patient_id for signal in self._presence.silent()} | self._batteries.waited_for()

    def look(self, now: int, behind: bool) -> SignalAlarms:
        """What must be told, looked for once a second. `behind`: readings wait that were not seen yet."""
        if 0 <= now - self._looked_at < LOOK_MS:
            return SignalAlarms()
        if now < self._looked_at:  # the clock was set back: every charge that was told lies in the future
            self._batteries = BatteryWatch(self._settings, self._batteries.told)
        self._looked_at = now
        changes = self._presence.changes(now, behind)
        ended = {signal: ending for signal, ending in changes.ended.items() if not self._held.pop(signal, None)}
        lost = {**self._held, **changes.lost}
        told = SignalAlarms()
        if changes.lost or ended or (lost and not 0 <= now - self._asked_at < ASK_AGAIN_MS):
            self._asked_at = now
            stays = contacts_of(self._settings, {signal.patient_id for signal in lost}) or {}
            self._held = {signal: since for signal, since in lost.items() if self._is_silenced(signal, stays)}
            told = signal_alarms(
                SignalChanges({one: at for one, at in lost.items() if one not in self._held}, ended),
                lambda patient: ward_of(stays, patient),
                lambda patient: patient in stays and stays[patient].has_left(now),
                self._presence.unbelieved(),
                now,
                self._style,
            )
        told = replace(told, held=self._newly_held())
        if not behind:
            batteries = self._batteries.look(now, lambda patient, ward: self._covers(patient, ward, ""))
            told.alarms.extend(batteries.alarms)
            told.wards.update(batteries.wards)
        late = pipeline_alarms(self._presence.pipeline_late(now), self._pipeline_is_late, now)
        if late:
            self._pipeline_is_late = not late[-1]["cleared"]
            told.alarms.extend(late)
        return told

    def _newly_held(self) -> Mapping[Signal, int] | None:
        """What is held now, when that is not what was written last."""
        if self._held == self._written:
            return None
        self._written = dict(self._held)
        return self._written

    def _is_silenced(self, signal: Signal, stays: Mapping[str, Stay]) -> bool:
        return self._covers(signal.patient_id, ward_of(stays, signal.patient_id), signal.attribute or "")

    def _covers(self, patient_id: str, ward: str, attribute: str) -> bool:
        return silenced_until(self._silences, patient_id, ward, attribute) is not None
