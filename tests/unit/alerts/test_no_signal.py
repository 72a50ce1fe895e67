"""Alarms about lost signals and a late pipeline, and the mail of a ward about them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.message import SUBJECT_MAX, UNKNOWN_WARD, Style
from alerts.no_signal import SignalAlarms, pipeline_alarms, signal_alarms, signal_key, signal_of
from alerts.ward_mail import LISTED, ward_mail
from clinical.messages import ID_MAX
from clinical.presence import Ending, Signal, SignalChanges
from clinical.vitals import VITALS

NOW = 1_790_000_000_000
STYLE = Style(ZoneInfo("UTC"))
WARDS = {"P1": "ICU", "P2": "General"}


def alarms(
    changes: SignalChanges, discharged: str = "", poor: Mapping[str, float] = MappingProxyType({})
) -> SignalAlarms:
    return signal_alarms(changes, WARDS.get, lambda patient: patient == discharged, poor, NOW, STYLE)


def test_a_lost_patient_is_an_alarm_of_the_ward_with_since_when_and_what_to_do() -> None:
    made = alarms(SignalChanges({Signal("P1"): NOW - 31_000}))
    [alarm] = made.alarms
    assert alarm["alarm_key"] == "no_signal:P1"
    assert (alarm["kind"], alarm["cleared"], alarm["raised_at"]) == ("no_signal", False, NOW - 31_000)
    assert alarm["detail"] == (
        "Nothing has come from the devices of patient P1 (ward ICU) since 2026-09-21 14:12:49 UTC: "
        "look at the patient, then at the monitor, its power and its network."
    )
    assert made.wards == {"no_signal:P1": "ICU"}


def test_a_lost_attribute_is_named_as_people_call_it() -> None:
    [alarm] = alarms(SignalChanges({Signal("P2", "spo2"): NOW})).alarms
    assert alarm["alarm_key"] == "no_signal:P2:spo2"
    assert alarm["detail"].startswith("Oxygen saturation of patient P2 (ward General) has not come since ")


@pytest.mark.parametrize(
    ("attribute", "begins"),
    [
        (None, "Nothing that can be believed has come from the devices of patient P1 (ward ICU) since "),
        ("spo2", "No oxygen saturation that can be believed has come from the devices of patient P1 (ward ICU) since "),
    ],
)
def test_a_signal_that_was_lost_for_want_of_contact_says_so(attribute: str | None, begins: str) -> None:
    [alarm] = alarms(SignalChanges({Signal("P1", attribute): NOW}), poor={"P1": 3.0}).alarms
    assert alarm["detail"].startswith(begins)
    assert "signal quality of 3 %" in alarm["detail"]
    assert alarm["detail"].endswith("Look at the patient, then for a loose probe or electrode.")


def test_a_cuff_is_not_blamed_on_the_electrodes() -> None:
    [alarm] = alarms(SignalChanges({Signal("P1", "systolic_bp"): NOW}), poor={"P1": 3.0}).alarms
    assert "signal quality" not in alarm["detail"]


def test_of_a_patient_without_ward_every_ward_is_told() -> None:
    made = alarms(SignalChanges({Signal("P9"): NOW}))
    assert made.wards == {"no_signal:P9": UNKNOWN_WARD}
    assert f"patient P9 ({UNKNOWN_WARD})" in made.alarms[0]["detail"]


def test_a_patient_who_has_left_is_not_waited_for() -> None:
    assert alarms(SignalChanges({Signal("P1"): NOW}), discharged="P1").alarms == []


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending.RETURNED, "Heart rate of patient P1: received again."),
        (Ending.COVERED, "nothing at all comes"),
        (Ending.FORGOTTEN, "no longer waited for"),
    ],
)
def test_what_ended_is_cleared_and_says_why(ending: Ending, words: str) -> None:
    [alarm] = alarms(SignalChanges(ended={Signal("P1", "heart_rate"): ending})).alarms
    assert (alarm["alarm_key"], alarm["cleared"]) == ("no_signal:P1:heart_rate", True)
    assert words in alarm["detail"]


@given(st.text(min_size=1, max_size=60), st.sampled_from([None, *VITALS]))
def test_the_key_of_an_alarm_names_its_signal_exactly(patient: str, attribute: str | None) -> None:
    assert signal_of(signal_key(Signal(patient, attribute))) == Signal(patient, attribute)


@pytest.mark.parametrize("sign", [":", "%"])
def test_the_key_of_the_longest_id_has_room_in_the_table(sign: str) -> None:
    assert len(signal_key(Signal(sign * ID_MAX, max(VITALS, key=len)))) <= 400


@pytest.mark.parametrize("patient", [":" * ID_MAX, "%" * ID_MAX, "%3A" * 40 + ":%25", ":" * 100 + "25" * 14])
def test_a_key_with_many_signs_names_its_signal_exactly(patient: str) -> None:
    assert signal_of(signal_key(Signal(patient, "spo2"))) == Signal(patient, "spo2")


def test_the_key_of_an_open_alarm_is_the_one_that_it_always_had() -> None:
    assert signal_key(Signal("a:b%", "spo2")) == "no_signal:a%3Ab%25:spo2"


def test_a_late_pipeline_is_raised_once_and_cleared_once() -> None:
    [raised] = pipeline_alarms(75.0, False, NOW)
    assert raised["alarm_key"] == "pipeline_late:all"
    assert "75 s ago" in raised["detail"]
    assert pipeline_alarms(90.0, True, NOW) == []
    assert pipeline_alarms(None, True, NOW) == []
    [cleared] = pipeline_alarms(0.0, True, NOW)
    assert (cleared["alarm_key"], cleared["cleared"]) == ("pipeline_late:all", True)
    assert pipeline_alarms(0.0, False, NOW) == []


def test_the_mail_of_a_ward_has_a_line_for_each_signal() -> None:
    made = alarms(SignalChanges({Signal("P1"): NOW, Signal("P1", "spo2"): NOW}))
    mail = ward_mail(made.alarms, "ICU", "n1", NOW, STYLE)
    assert mail.subject == "[TECHNICAL] no signal (2), ward ICU"
    assert mail.body.splitlines()[1:3] == [alarm["detail"] for alarm in made.alarms]


def test_the_mail_of_one_alarm_that_is_over_says_so() -> None:
    made = alarms(SignalChanges(ended={Signal("P1"): Ending.RETURNED}))
    mail = ward_mail(made.alarms, "Łódź", "n1", NOW, STYLE)
    assert mail.subject == "[CLEARED] no signal, ward Lodz"
    assert mail.body.startswith("Over: no signal.\nValues of patient P1: received again.\n")


def test_a_mail_about_a_whole_hospital_stays_below_what_sns_takes() -> None:
    made = alarms(SignalChanges({Signal(f"{number:0190}"): NOW for number in range(5000)}))
    mail = ward_mail(made.alarms, "W" * 190, "n1", NOW, STYLE)
    assert len(mail.subject) <= SUBJECT_MAX
    assert len(mail.body.encode()) < 200_000
    assert f"And {5000 - LISTED} more" in mail.body
