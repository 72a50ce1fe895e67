"""Filters of subscriptions, and wards that nobody hears."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.cli import check_email, check_filters
from alerts.message import UNKNOWN_WARD
from alerts.subscriptions_table import Subscription, uncovered
from infra.errors import ConfigurationError
from infra.settings import Settings


def subscription(**changes: Any) -> Subscription:
    fields: dict[str, Any] = {
        "subscription_id": 1,
        "email": "doctor@wardwatch.example",
        "topic": "doctors",
        "wards": (),
        "severities": ("high", "medium"),
        "state": "confirmed",
        "sns_arn": "arn:aws:sns:eu-west-1:1:doctor-alerts:x",
        **changes,
    }
    return Subscription(**fields)


def test_a_wards_filter_lets_patients_without_a_ward_through() -> None:
    policy = subscription(wards=("Cardiology",)).filter_policy()
    assert policy == {"ward": ["Cardiology", UNKNOWN_WARD], "severity": ["high", "medium"]}


def test_ops_have_no_filter() -> None:
    assert subscription(topic="ops", severities=()).filter_policy() == {}


def test_a_senior_doctors_filter_lets_escalated_mails_through_only() -> None:
    senior = subscription(severities=("high",), from_escalation=1)
    assert senior.filter_policy() == {"severity": ["high"], "escalation": ["1", "2"]}
    assert [senior.hears("ICU", "high", level) for level in (0, 1, 2)] == [False, True, True]
    assert subscription(from_escalation=2).filter_policy()["escalation"] == ["2"]


def test_a_nurse_hears_of_lost_signals_and_a_doctor_does_not() -> None:
    nurse = subscription(severities=("technical",), wards=("ICU",))
    assert nurse.filter_policy() == {"ward": ["ICU", UNKNOWN_WARD], "severity": ["technical"]}
    assert nurse.hears("ICU", "technical")
    assert not nurse.hears("ICU", "high")
    assert not subscription().hears("ICU", "technical")


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, []),
        ({"wards": ("Cardiology", "Surgery")}, []),
        ({"wards": ("Surgery",)}, ["high", "medium"]),
        ({"severities": ("high",)}, ["medium"]),
        ({"severities": ("high", "technical")}, ["medium"]),
        ({"severities": ("technical",)}, ["high", "medium"]),
        ({"from_escalation": 1}, ["high", "medium"]),
        ({"state": "pending"}, ["high", "medium"]),
        ({"state": "wanted"}, ["high", "medium"]),
        ({"state": "removed"}, ["high", "medium"]),
        ({"topic": "ops", "severities": ()}, ["high", "medium"]),
    ],
)
def test_a_ward_is_heard_by_confirmed_subscriptions_of_it_only(changes: dict[str, Any], missing: list[str]) -> None:
    gaps = uncovered(["Cardiology"], ["high", "medium"], [subscription(**changes)])
    assert gaps.get("Cardiology", []) == missing


def test_two_readers_may_share_the_severities_of_a_ward() -> None:
    readers = [subscription(severities=("high",)), subscription(severities=("medium",), wards=("Cardiology",))]
    assert uncovered(["Cardiology"], ["high", "medium"], readers) == {}


def test_a_patient_without_ward_is_heard_by_anyone() -> None:
    assert uncovered([UNKNOWN_WARD], ["high"], [subscription(wards=("Surgery",))]) == {}


@pytest.mark.parametrize(
    "email", ["", "doctor", "doctor@", "@x.org", "a b@x.org", "a@x.org\nBcc: b@x.org", "a@x.org ", "a@localhost"]
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(ConfigurationError, match="email address"):
        check_email(email)


def test_filters_are_trimmed_and_default_to_what_is_emailed() -> None:
    settings = Settings()
    assert check_filters(settings, "doctors", [" Cardiology ", "Cardiology"], None) == (
        ["Cardiology"],
        ["high", "medium"],
    )
    assert check_filters(settings, "doctors", [], "high") == ([], ["high"])
    assert check_filters(settings, "doctors", ["ICU"], None, technical=True) == (["ICU"], ["technical"])
    assert check_filters(settings, "doctors", [], "high", technical=True) == ([], ["high", "technical"])
    assert check_filters(settings, "doctors", [], "high", from_level=1) == ([], ["high"])
    assert check_filters(settings, "ops", [], None) == ([], [])
    assert len(check_filters(settings, "doctors", [f"Ward {number}" for number in range(74)], None)[0]) == 74


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("doctors", [], "fatal"), "high, medium"),
        (("doctors", [], "technical"), "--technical"),
        (("doctors", [" "], None), "ward"),
        (("doctors", [], None, True, 1), "not escalated"),
        (("doctors", [f"Ward {number}" for number in range(75)], None), "75 wards .* 152 combinations"),
        (("ops", ["A"], None), "leave out"),
        (("ops", [], None, True), "leave out"),
        (("ops", [], None, False, 1), "leave out"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_with_what_can(arguments: Any, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        check_filters(Settings(), *arguments)
