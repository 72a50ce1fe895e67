"""Silences of the ward page and their audit, on the real MySQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from alerts.entries import as_moment
from dashboard import sessions
from dashboard.accounts import Account, Accounts
from dashboard.alarms.acts import SilenceForm, end_silence, silence
from dashboard.house import House
from dashboard.live.state import LiveState
from dashboard.roles import Role
from dashboard.throttle import Throttle
from dashboard.visit import Visit
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings
from tests.stack.alerting import now_ms, query, unique

pytestmark = pytest.mark.own_world

OSLO = ZoneInfo("Europe/Oslo")
HOUR_MS = 3_600_000


@pytest.fixture
def doctor(stack: Settings) -> Iterator[Visit]:
    """An open page of a doctor whose name only this test has; nothing of it is left but the audit."""
    house = House(stack, Accounts(stack), Throttle(time.monotonic), LiveState(), OSLO)
    account = Account(unique("silencer"), Role.DOCTOR)
    yield Visit(house, account, sessions.begin(stack, account.name))
    sessions.end_all(stack, account.name)
    query(stack, "DELETE FROM silences WHERE author = %s", account.name)


@pytest.fixture
def form() -> SilenceForm:
    """An hour without mails about the glucose of a patient whom only this test has."""
    return SilenceForm(unique("PS"), "", "glucose", "1h", "", "known to run low", now_ms())


def audited(visit: Visit) -> list[tuple[str, str, str | None, str]]:
    """Role, act, patient and detail of all that the user did, the first first."""
    rows = query(
        visit.house.settings,
        "SELECT role, act, patient_id, detail FROM page_audit WHERE user_name = %s ORDER BY entry_id",
        visit.account.name,
    )
    return [(role, act, patient_id, detail) for role, act, patient_id, detail in rows]


def silences(visit: Visit) -> list[tuple[int, str | None]]:
    """The id of each silence of the user, and who ended it."""
    rows = query(
        visit.house.settings,
        "SELECT silence_id, lifted_by FROM silences WHERE author = %s ORDER BY silence_id",
        visit.account.name,
    )
    return [(silence_id, lifted_by) for silence_id, lifted_by in rows]


def test_who_silenced_what_until_when_and_why_is_in_the_audit_and_who_ended_it(
    doctor: Visit, form: SilenceForm
) -> None:
    assert silence(doctor, form).is_done
    until = as_moment(form.sent_at + HOUR_MS, OSLO)
    told = f"patient {form.patient_id}, attribute glucose until {until} Europe/Oslo: known to run low"
    assert audited(doctor) == [("doctor", "silence alarms", form.patient_id, told)]
    [(number, ended_by)] = silences(doctor)
    assert ended_by is None

    assert end_silence(doctor, number).is_done
    ends = as_moment(form.sent_at + HOUR_MS, ZoneInfo("UTC"))
    told = f"silence {number}: patient {form.patient_id}, attribute glucose until {ends} UTC"
    assert audited(doctor)[1:] == [("doctor", "end silence", form.patient_id, told)]
    assert silences(doctor) == [(number, doctor.account.name)]


def test_the_silence_of_a_ward_is_recorded_of_no_patient(doctor: Visit, form: SilenceForm) -> None:
    silence(doctor, replace(form, patient_id="", ward="Ward of a test"))
    [(_, act, patient_id, detail)] = audited(doctor)
    assert (act, patient_id) == ("silence alarms", None)
    assert detail.startswith("ward Ward of a test, attribute glucose until ")


def test_the_same_form_again_is_the_same_silence_and_both_are_recorded(doctor: Visit, form: SilenceForm) -> None:
    first, again = silence(doctor, form), silence(doctor, form)
    assert first == again
    assert len(silences(doctor)) == 1
    assert [act for _, act, _, _ in audited(doctor)] == ["silence alarms"] * 2


def test_a_silence_is_ended_once_and_recorded_once(doctor: Visit, form: SilenceForm) -> None:
    silence(doctor, form)
    [(number, _)] = silences(doctor)
    end_silence(doctor, number)
    with pytest.raises(WardError, match=f"Silence {number} is over already"):
        end_silence(doctor, number)
    with pytest.raises(ConfigurationError):
        silence(doctor, replace(form, reason=" "))
    assert [act for _, act, _, _ in audited(doctor)] == ["silence alarms", "end silence"]
