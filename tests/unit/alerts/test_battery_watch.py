"""Low batteries: told once to their ward, and once when it is over. The source of contacts is a dictionary."""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

import pytest

from alerts import battery_watch
from alerts.battery_watch import ASK_AGAIN_MS, BATTERY_LOW, BatteryWatch
from alerts.bedside import Seen
from alerts.message import UNKNOWN_WARD, Style
from alerts.signal_watch import SignalWatch
from alerts.wards import Stay
from infra.settings import Settings

NOW = 1_790_000_000_000
HOUR = 3_600_000


class World:
    """A watch, the contacts that it asks, and a clock that goes on at each look."""

    def __init__(self, told: Collection[str] = ()) -> None:
        self.watch = BatteryWatch(Settings(), told)
        self.stays: dict[str, Stay] | None = {"P1": Stay("ICU", None), "P2": Stay(None, None)}
        self.silenced: set[str] = set()
        self.asked = 0
        self.now = NOW

    def contacts_of(self, _settings: Settings, patients: Collection[str]) -> dict[str, Stay] | None:
        self.asked += 1
        return None if self.stays is None else {one: self.stays[one] for one in patients if one in self.stays}

    def charge(self, patient: str, percent: float, ago: int = 0, device: str = "m") -> None:
        self.watch.see(Seen(patient, self.now - ago, (), device_id=device, battery=percent), self.now)

    def look(self) -> list[tuple[str, bool]]:
        self.now += 1000
        found = self.watch.look(self.now, lambda patient, ward: patient in self.silenced or ward in self.silenced)
        self.wards = found.wards
        self.details = [alarm["detail"] for alarm in found.alarms]
        return [(alarm["alarm_key"], alarm["cleared"]) for alarm in found.alarms]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(battery_watch, "contacts_of", made.contacts_of)
    return made


def test_a_low_battery_is_told_once_to_its_ward_and_once_that_it_is_charged(world: World) -> None:
    world.charge("P1", 8.4)
    assert world.look() == [("battery_low:P1", False)]
    assert world.wards == {"battery_low:P1": "ICU"}
    assert world.details[0].startswith("The battery of the monitor of patient P1 (ward ICU) is at 8 %: connect it")
    world.charge("P1", 8)
    assert world.look() == []
    world.charge("P1", 80)
    assert world.look() == [("battery_low:P1", True)]
    assert world.look() == []


def test_of_a_patient_without_ward_every_ward_is_told(world: World) -> None:
    world.charge("P2", 8)
    world.charge("P9", 8)
    world.look()
    assert world.wards == {"battery_low:P2": UNKNOWN_WARD, "battery_low:P9": UNKNOWN_WARD}


def test_without_the_contacts_nobody_is_told_the_wrong_thing_and_it_is_told_when_they_are_back(world: World) -> None:
    world.charge("P1", 8)
    contacts, world.stays = world.stays, None
    assert [world.look() for _ in range(5)] == [[]] * 5
    assert world.asked == 1
    world.stays = contacts
    world.now += ASK_AGAIN_MS
    assert world.look() == [("battery_low:P1", False)]


def test_what_a_silence_covers_is_told_when_it_is_over(world: World) -> None:
    world.silenced = {"ICU"}
    world.charge("P1", 8)
    assert [world.look() for _ in range(30)] == [[]] * 30
    assert world.asked == 3
    world.silenced = set()
    world.now += ASK_AGAIN_MS
    assert world.look() == [("battery_low:P1", False)]


def test_of_a_patient_who_left_it_is_over_though_the_monitor_goes_on(world: World) -> None:
    world.charge("P1", 8)
    world.look()
    world.watch.left({"P1"})
    world.charge("P1", 7)
    assert world.look() == [("battery_low:P1", True)]
    world.charge("P1", 7)
    assert world.look() == []
    world.watch.left(())
    world.now += ASK_AGAIN_MS
    assert world.look() == [("battery_low:P1", False)]


def test_of_one_who_left_before_nothing_is_told(world: World) -> None:
    world.stays = {"P1": Stay("ICU", NOW - HOUR)}
    world.charge("P1", 8)
    assert world.look() == []


def test_a_time_far_ahead_does_not_hide_what_follows(world: World) -> None:
    world.charge("P1", 90, ago=-24 * HOUR)
    world.now += 20_000
    world.charge("P1", 3)
    assert world.look() == [("battery_low:P1", False)]


def test_what_was_told_before_a_restart_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(told=["P1", "P2"])
    monkeypatch.setattr(battery_watch, "contacts_of", world.contacts_of)
    assert world.look() == []
    world.charge("P1", 8)
    world.charge("P2", 100)
    assert world.look() == [("battery_low:P2", True)]


def test_after_the_clock_was_set_back_a_low_battery_is_told_and_one_that_was_told_stays_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.signal_watch.open_subjects", lambda *_: [])
    monkeypatch.setattr("alerts.signal_watch.contacts_of", world.contacts_of)
    watch = SignalWatch(Settings(), Style(ZoneInfo("UTC")), NOW)

    def look(ms: int, percent: dict[str, float]) -> list[tuple[str, bool]]:
        for patient, charge in percent.items():
            watch.see(Seen(patient, NOW + ms, (), device_id="m", battery=charge))
        found = watch.look(NOW + ms, behind=False).alarms
        return [(one["alarm_key"], one["cleared"]) for one in found if one["kind"] == BATTERY_LOW]

    assert look(1000, {"P1": 50, "P2": 8}) == [("battery_low:P2", False)]
    assert look(-HOUR, {"P1": 8}) == []
    assert look(-HOUR + 20_000, {"P1": 8, "P2": 8}) == [("battery_low:P1", False)]
    assert look(-HOUR + 22_000, {"P2": 90}) == [("battery_low:P2", True)]
