"""What the watch tells, also when the engine is restarted meanwhile: a signal that is lost during a silence when that
is over, and a pipeline that is late as a whole once and of no bed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from alerts import signal_watch
from alerts.bedside import Seen, Value
from alerts.message import Style
from alerts.no_signal import HELD, PIPELINE_LATE, WHOLE, signal_key
from alerts.signal_watch import SignalWatch
from alerts.silences import Silence
from alerts.wards import Stay
from clinical.presence import Signal
from infra.settings import Settings
from tests.unit.alerts.breaches import RECORDED

LOST_AT, SILENT_UNTIL, END = 600, 7200, 7500
READ_AGAIN = 1500
SILENCE = Silence(1, "maintenance", None, "A", None, RECORDED, RECORDED + SILENT_UNTIL * 1000, "amira", "new switch")
SATURATION = Signal("P1", "spo2")


class Database:
    """What the engine has written of held signals and of a late pipeline, as a cursor gives it."""

    def __init__(self) -> None:
        self.held: dict[Signal, int] = {}
        self.late: set[str] = set()
        self._asked: tuple[str, ...] = ()

    def execute(self, _statement: str, arguments: tuple[str, ...]) -> None:
        self._asked = arguments

    def fetchall(self) -> list[tuple[Any, ...]]:
        match self._asked:
            case (kind,) if kind == HELD:
                return [(signal_key(one), since) for one, since in self.held.items()]
            case (kind,) if kind == PIPELINE_LATE:
                return [(key,) for key in self.late]
        return []


class Ward:
    """Two patients of ward A, and the watch over them. In the seconds `lost` one of them has no saturation, in
    `stopped` nothing comes of either; `silence` is in force until SILENT_UNTIL."""

    def __init__(self, lost: range = range(0), stopped: range = range(0), silence: Silence | None = None) -> None:
        self._lost, self._stopped, self._silence = lost, stopped, silence
        self.database = Database()
        self.told: list[tuple[int, str, bool]] = []
        self._start(0)

    def _start(self, second: int) -> None:
        self._watch = SignalWatch(Settings(), Style(ZoneInfo("UTC")), RECORDED + second * 1000)
        self._watch.start(cast(Any, self.database))

    def restart(self, second: int) -> None:
        """The engine reads again what came in the last 25 minutes."""
        self._start(second)
        for before in range(max(0, second - READ_AGAIN), second):
            self._see(before)

    def run(self, first: int, end: int) -> None:
        for second in range(first, end):
            self._watch.silence([self._silence] if self._silence and second < SILENT_UNTIL else [])
            self._see(second)
            alarms = self._watch.look(RECORDED + second * 1000, behind=False)
            if alarms.held is not None:
                self.database.held = dict(alarms.held)
            self.database.late ^= {one["alarm_key"] for one in alarms.alarms if one["kind"] == PIPELINE_LATE}
            self.told += [(second, one["alarm_key"], one["cleared"]) for one in alarms.alarms]

    def _see(self, second: int) -> None:
        now = RECORDED + second * 1000
        for patient in ("P1", "P2") if second not in self._stopped else ():
            has_lost = patient == "P1" and second in self._lost
            attributes = ["heart_rate"] if has_lost else ["heart_rate", "spo2"]
            values = tuple(Value(name, 80.0, now, f"{patient}{second}") for name in attributes)
            self._watch.see(Seen(patient, now, values))


@pytest.fixture(autouse=True)
def everybody_is_in_ward_a(monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(_settings: Settings, patients: Collection[str]) -> dict[str, Stay]:
        return {patient: Stay("A", None) for patient in patients}

    monkeypatch.setattr(signal_watch, "contacts_of", stays)


@pytest.mark.parametrize("restart", [1200, 3600])
def test_a_signal_that_a_silence_holds_outlives_a_restart(restart: int) -> None:
    ward = Ward(lost=range(LOST_AT, END), silence=SILENCE)
    ward.run(0, restart)
    assert list(ward.database.held) == [SATURATION]
    ward.restart(restart)
    ward.run(restart, END)
    ((second, key, cleared),) = ward.told
    assert (key, cleared) == (signal_key(SATURATION), False)
    assert SILENT_UNTIL <= second <= SILENT_UNTIL + 60
    assert ward.database.held == {}


@pytest.mark.parametrize("restart", [None, 3600])
def test_a_signal_that_comes_back_in_the_silence_is_told_to_nobody(restart: int | None) -> None:
    ward = Ward(lost=range(LOST_AT, 5000), silence=SILENCE)
    ward.run(0, restart or 0)
    if restart:
        ward.restart(restart)
    ward.run(restart or 0, END)
    assert ward.told == []
    assert ward.database.held == {}


@pytest.mark.parametrize("restart", [620, 700, 790])
def test_a_pipeline_that_is_late_as_a_whole_is_told_once_and_of_no_bed(restart: int) -> None:
    stopped = range(600, 800)
    ward = Ward(stopped=stopped)
    ward.run(0, restart)
    ward.restart(restart)
    ward.run(restart, 1200)
    assert [what for _, *what in ward.told] == [[key := f"{PIPELINE_LATE}:{WHOLE}", False], [key, True]]
    raised, cleared = (second for second, *_ in ward.told)
    assert raised in stopped
    assert cleared in range(stopped.stop, stopped.stop + 10)
