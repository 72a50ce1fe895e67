"""What the load of the fault suite is to give: alarms that last, of nothing but what it means, and over at its end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alerts.bedside import Value
from clinical.messages import Breach
from clinical.news2 import score
from tests.faults.load import (
    CALM,
    CALM_SECONDS,
    ILL_SECONDS,
    MONITORED,
    NORMAL,
    TOO_LOW,
    ill_patients,
    monitored_patient,
    patient_ids,
    silenced_patients,
)
from tests.unit.alerts.breaches import RECORDED
from tests.unit.alerts.test_book import Desk

MONITORED_BAND = {"severity": "high", "delay_seconds": 15, "clear_margin": 1.0}


def test_the_patient_on_a_monitor_is_none_of_the_others() -> None:
    assert monitored_patient("F1") not in patient_ids("F1")


def test_one_of_the_ill_is_silenced_and_the_others_are_not() -> None:
    assert len({*ill_patients("F1")}) == 4
    assert len({*ill_patients("F1")} & {*silenced_patients("F1")}) == 1


def test_the_patient_on_a_monitor_has_no_alarm_of_news2() -> None:
    vitals = dict(zip(NORMAL, CALM, strict=True)) | {MONITORED: TOO_LOW}
    measured = {name: Decimal(value) for name, value in vitals.items() if name != "glucose"}
    assert score(measured).total < 5


@pytest.mark.parametrize("ill_seconds", range(ILL_SECONDS - 3, ILL_SECONDS + 1))
def test_the_alarm_of_the_monitored_is_over_after_the_calm_though_its_breaches_come_after_it(ill_seconds: int) -> None:
    desk, late = Desk(), list[Breach]()
    for number in range(ill_seconds + CALM_SECONDS):
        value = float(TOO_LOW if number < ill_seconds else CALM[1])
        desk.now = RECORDED + number * 1000
        one = Value(MONITORED, value, desk.now, str(number))
        desk.bedside.see("P-1", [one], desk.now)
        desk.book.value("P-1", one, desk.now)
        found = desk.breach_of(
            value, patient="P-1", attribute=MONITORED, at=desk.now, source_id=str(number), **MONITORED_BAND
        )
        late += [found] if found else []
    for breach in late:
        desk.book.breach(breach, desk.now)
    desk.close()
    assert {alarm.end_reason for alarm in desk.alarms.values()} <= {"cleared", "dropped"}
    assert any(alarm.raised_at is not None for alarm in desk.alarms.values())
