"""A form is sent once, however often its button is pressed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from dashboard.patient import form
from dashboard.patient.admissions import Patient
from dashboard.patient.dialog import PatientForm
from dashboard.roles import Role
from dashboard.sending import Sending
from tests.unit.dashboard.built import built
from tests.unit.dashboard.visits import visit_of


def test_a_form_is_sent_once_while_it_is_open() -> None:
    sending = Sending(is_open=True)
    assert sending.begin()
    assert not sending.begin()
    sending.end(is_done=False)
    assert sending.begin()
    sending.end(is_done=True)
    assert not sending.begin()


def test_a_second_click_on_save_writes_nothing_and_complains_of_nothing(tmp_path: Path) -> None:
    before, after = Patient("P1", {"name": "Ada"}), Patient("P1", {"name": "Ada L."})
    may_write, written = threading.Event(), list[Patient]()

    def change(*_: Any) -> Patient:
        may_write.wait()
        return after

    admissions = MagicMock(**{"change.side_effect": change})

    async def click_twice() -> None:
        with built():
            fields = [form.FIELDS["name"]]
            patient_form = PatientForm(visit_of(Role.NURSE, tmp_path), admissions, fields, [], before, written.append)
            first = asyncio.create_task(patient_form._save())
            await asyncio.sleep(0)
            await patient_form._save()
            may_write.set()
            await first
            await patient_form._save()

    asyncio.run(click_twice())
    assert written == [after]
    assert admissions.change.call_count == 1
