"""Acknowledging and silencing in the alarms page, before any server is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.alarms_table import RISEN
from dashboard.alarms.acts import NOT_YET, AckForm, SilenceForm, acknowledge, scope_of, silence
from dashboard.alarms.dialogs import DURATIONS
from dashboard.roles import Permission, Role
from dashboard.visit import NotAllowedError
from infra.errors import ConfigurationError, UnavailableError, WardError
from tests.unit.alerts.alarms_looked_at import ALARM_ID, alarm_row
from tests.unit.alerts.test_ack_page import MemoryDesk
from tests.unit.dashboard.visits import OpenVisit, visit_of

FORM = AckForm(ALARM_ID, "high", 41, "on my way", 30)
SILENCE = SilenceForm("P-0012", "", "", "1h", "", "known", 1_790_000_000_000)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def nurse(tmp_path: Path) -> OpenVisit:
    return visit_of(Role.NURSE, tmp_path)


def test_the_account_acknowledges_by_its_name_which_is_no_mere_claim(nurse: OpenVisit, desk: MemoryDesk) -> None:
    outcome = acknowledge(nurse, desk, FORM)
    assert outcome.is_done
    [order] = desk.orders
    assert (order.author, order.reason, order.lasts, order.is_claimed) == ("nurse", "on my way", 1_800_000, False)
    assert nurse.recorded == [("acknowledge alarm", "P-0012", f"alarm {ALARM_ID} for 30 minutes: on my way")]


def test_the_same_form_again_is_the_same_order(nurse: OpenVisit, desk: MemoryDesk) -> None:
    for _ in range(2):
        acknowledge(nurse, desk, FORM)
    assert len(desk.orders) == 1


def test_while_the_engine_is_away_the_order_is_left_and_said_to_wait(nurse: OpenVisit, desk: MemoryDesk) -> None:
    desk.engine = False
    outcome = acknowledge(nurse, desk, FORM)
    assert (outcome.sentence, outcome.is_done) == (NOT_YET, False)
    assert len(desk.orders) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minutes": 31}, "for how long"),
        ({"reason": "x" * 1001}, "1 to 1000 characters"),
        ({"alarm_id": "f" * 32}, "not known"),
        ({"severity": "medium"}, RISEN),
    ],
)
def test_what_cannot_be_is_a_sentence_and_neither_ordered_nor_recorded(
    nurse: OpenVisit, desk: MemoryDesk, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(WardError, match=said):
        acknowledge(nurse, desk, replace(FORM, **changes))  # type: ignore[arg-type]
    assert (desk.orders, nurse.recorded) == ([], [])


def test_an_alarm_that_is_over_meanwhile_is_not_acknowledged(nurse: OpenVisit, desk: MemoryDesk) -> None:
    desk.alarms[ALARM_ID] = alarm_row(phase="ended", ended_at=1)
    with pytest.raises(WardError, match="over"):
        acknowledge(nurse, desk, FORM)
    assert desk.orders == []


def test_what_cannot_be_recorded_is_not_done(nurse: OpenVisit, desk: MemoryDesk, tmp_path: Path) -> None:
    class Unrecorded(OpenVisit):
        def record(self, act: str, patient_id: str | None = None, detail: str = "") -> None:
            raise UnavailableError("MySQL", "127.0.0.1:1", "away")

    visit = Unrecorded(nurse.house, nurse.account, nurse.token)
    with pytest.raises(UnavailableError):
        acknowledge(visit, desk, FORM)
    assert desk.orders == []


@pytest.mark.parametrize("role", [Role.ANALYST, Role.OPS])
def test_a_forged_act_of_somebody_who_may_not_is_refused_and_does_nothing(
    tmp_path: Path, desk: MemoryDesk, role: Role
) -> None:
    visit = visit_of(role, tmp_path)

    async def forge() -> None:
        await visit.act(Permission.ACT_ON_ALARMS, acknowledge, visit, desk, FORM)

    with pytest.raises(NotAllowedError, match="may not do this"):
        asyncio.run(forge())
    assert (desk.orders, visit.recorded) == ([], [])


def test_a_nurse_may_act(nurse: OpenVisit, desk: MemoryDesk) -> None:
    async def act() -> bool:
        return (await nurse.act(Permission.ACT_ON_ALARMS, acknowledge, nurse, desk, FORM)).is_done

    assert asyncio.run(act())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patient_id": " "}, "Say what is silenced"),
        ({"attribute": "pulse"}, "no attribute"),
        ({"reason": " "}, "reason is a text"),
        ({"duration": "8d"}, "7d is the most"),
        ({"until": "tomorrow"}, "not a time"),
        ({"until": "2020-01-01 00:00"}, "past already"),
    ],
)
def test_a_silence_that_cannot_be_is_a_sentence_and_not_recorded(
    nurse: OpenVisit, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        silence(nurse, replace(SILENCE, **changes))  # type: ignore[arg-type]
    assert nurse.recorded == []


def test_what_is_left_empty_matches_everything() -> None:
    assert scope_of(replace(SILENCE, ward=" ICU ")) == ("P-0012", "ICU", None)


def test_every_duration_that_is_offered_can_be_chosen(nurse: OpenVisit) -> None:
    """MySQL is nowhere: what is asked of it is beyond what was typed."""
    for duration in DURATIONS:
        with pytest.raises(ConfigurationError, match="secret"):
            silence(nurse, replace(SILENCE, duration=duration))
    assert len(nurse.recorded) == len(DURATIONS)
