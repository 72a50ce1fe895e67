"""What is answered late is about what it was asked about, whatever form is open by then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from nicegui import ui

from dashboard.alarms import dialogs
from dashboard.alarms.acts import AckForm, Outcome, SilenceForm
from dashboard.alarms.dialogs import AckDialog, SilenceDialog
from dashboard.alarms.look import Seen
from dashboard.alarms.view import Eyes, Line, line_of
from dashboard.roles import Role
from infra.errors import WardError
from tests.unit.alerts.alarms_looked_at import alarm_row
from tests.unit.alerts.test_ack_page import MemoryDesk
from tests.unit.dashboard.built import built
from tests.unit.dashboard.visits import visit_of

PATIENCE_SECONDS = 60


def line(patient_id: str) -> Line:
    row = alarm_row(alarm_id=patient_id.lower() * 32, patient_id=patient_id)
    return line_of(row, Seen(), (), Eyes(identity=True, acts=True), ZoneInfo("UTC"))


A, B = line("A"), line("B")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was said by notifications."""
    sentences: list[str] = []
    monkeypatch.setattr(ui, "notify", lambda sentence, **_: sentences.append(sentence))
    return sentences


class Slow:
    """An act whose first answer waits until it may come; `fails`: it is a refusal."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.forms: list[Any] = []
        self.fails = False

    def __call__(self, *arguments: Any) -> Outcome:
        self.forms.append(arguments[-1])
        if len(self.forms) == 1:
            assert self.may_answer.wait(PATIENCE_SECONDS)
            if self.fails:
                raise WardError("It is over.")
        return Outcome("Done.", is_done=True)


@dataclass
class SlowDesk(MemoryDesk):
    """Its first answer waits until it may come, and tells that there were fewer orders then."""

    may_answer: threading.Event = field(default_factory=threading.Event)
    is_first: bool = True

    def newest_order(self) -> int:
        if not self.is_first:
            return 42
        self.is_first = False
        assert self.may_answer.wait(PATIENCE_SECONDS)
        return 41


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fails", [False, True])
def test_the_answer_about_one_alarm_leaves_the_form_about_the_next_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[str], fails: bool
) -> None:
    act = Slow()
    act.fails = fails
    monkeypatch.setattr(dialogs, "acknowledge", act)

    async def open_another() -> None:
        with built():
            dialog = AckDialog(visit_of(Role.NURSE, tmp_path), MemoryDesk(), lambda: None)
            await dialog.open(A)
            first = asyncio.create_task(dialog._act())
            await until(lambda: act.forms)
            dialog._dialog.close()
            await dialog.open(B)
            dialog._reason.set_value("on my way")
            act.may_answer.set()
            await first
            assert dialog._dialog.value
            assert told == [f"{A.title}, A: {'It is over.' if fails else 'Done.'}"]
            await dialog._act()
            assert not dialog._dialog.value

    asyncio.run(open_another())
    assert [(form.alarm_id, form.reason) for form in act.forms] == [("a" * 32, ""), ("b" * 32, "on my way")]
    assert told[1:] == [f"{B.title}, B: Done."]


def test_while_a_form_is_sent_its_button_stays_disabled_when_another_is_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[str]
) -> None:
    act = Slow()
    monkeypatch.setattr(dialogs, "acknowledge", act)

    async def press_both() -> None:
        with built():
            dialog = AckDialog(visit_of(Role.NURSE, tmp_path), MemoryDesk(), lambda: None)
            await dialog.open(A)
            first = asyncio.create_task(dialog._act())
            await until(lambda: act.forms)
            await dialog.open(B)
            dialog._send.disable()
            act.may_answer.set()
            await first
            assert not dialog._send.enabled

    asyncio.run(press_both())


def test_the_form_is_about_the_alarm_that_was_clicked_last_whichever_answer_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[str]
) -> None:
    sent: list[AckForm] = []

    def acknowledged(*arguments: Any) -> Outcome:
        sent.append(arguments[-1])
        return Outcome("Done.", is_done=True)

    monkeypatch.setattr(dialogs, "acknowledge", acknowledged)

    async def click_both() -> None:
        with built():
            desk = SlowDesk()
            dialog = AckDialog(visit_of(Role.NURSE, tmp_path), desk, lambda: None)
            first = asyncio.create_task(dialog.open(A))
            await until(lambda: not desk.is_first)
            await dialog.open(B)
            dialog._reason.set_value("on my way")
            desk.may_answer.set()
            await first
            assert dialog.alarm_id == B.alarm_id
            await dialog._act()

    asyncio.run(click_both())
    assert [(form.alarm_id, form.after, form.reason) for form in sent] == [(B.alarm_id, 42, "on my way")]


def test_the_answer_about_one_silence_leaves_the_form_of_the_next_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[str]
) -> None:
    act = Slow()
    monkeypatch.setattr(dialogs, "silence", act)

    async def silence_both() -> None:
        with built():
            dialog = SilenceDialog(visit_of(Role.NURSE, tmp_path), lambda: None)
            dialog.open((), A)
            first = asyncio.create_task(dialog._act())
            await until(lambda: act.forms)
            dialog._dialog.close()
            dialog.open((), B)
            act.may_answer.set()
            await first
            assert dialog._dialog.value
            await dialog._act()
            assert not dialog._dialog.value

    asyncio.run(silence_both())
    forms: list[SilenceForm] = [replace(form, sent_at=0) for form in act.forms]
    assert [(form.patient_id, form.attribute) for form in forms] == [("A", "heart_rate"), ("B", "heart_rate")]
    assert told == ["Done.", "Done."]
