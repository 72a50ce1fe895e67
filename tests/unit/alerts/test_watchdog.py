"""The watchdog's messages on their way: reading, breach, notification, and what is read at the end."""

from __future__ import annotations

import orjson

from alerts.incoming import read_breach
from alerts.message import SUBJECT_MAX
from alerts.watchdog import (
    is_watchdog,
    watchdog_alarm_id,
    watchdog_breach_id,
    watchdog_notification,
    watchdog_reading,
    watchdogs_in,
)
from clinical.messages import READING_FIELDS, WATCHDOG_PATIENT, Breach, breach_id
from clinical.vitals import VITALS
from tests.unit.alerts.breaches import RECORDED, breach


def breach_of_watchdog(sent: int) -> Breach:
    """What detection makes of the watchdog sent at that time."""
    return breach(
        breach_id=breach_id("vital-info", str(-sent), "heart_rate"),
        source_id=str(-sent),
        patient_id=WATCHDOG_PATIENT,
        device_id=None,
        value=0.0,
        direction="low",
        contact_missing=True,
        name=None,
        phone=None,
        address=None,
        ward=None,
        age_years=None,
    )


def test_its_reading_is_one_of_vital_info_with_a_value_that_is_believed_and_an_id_of_no_row() -> None:
    reading = watchdog_reading(RECORDED)
    assert set(reading) <= set(READING_FIELDS)
    assert reading["patient_id"] == WATCHDOG_PATIENT
    assert reading["reading_id"] < 0
    [attribute] = reading.keys() & VITALS.keys()
    assert VITALS[attribute].low <= reading[attribute] <= VITALS[attribute].high


def test_its_breach_is_known_from_those_of_patients() -> None:
    assert is_watchdog(breach_of_watchdog(RECORDED))
    assert not is_watchdog(breach())


def test_its_notification_goes_to_its_own_topic_behind_everything_else() -> None:
    told = watchdog_notification(breach_of_watchdog(RECORDED), "n" * 32, RECORDED + 800)
    assert (told.topic, told.kind, told.severity, told.escalation) == ("watchdog", "watchdog", "technical", 0)
    assert told.priority > 2
    assert told.created_at == RECORDED + 800
    assert told.subject.startswith("[WATCHDOG] ")
    assert told.subject.isascii()
    assert len(told.subject) <= SUBJECT_MAX
    assert "n" * 32 in told.body


def test_its_notification_is_found_by_the_time_of_sending() -> None:
    sent = watchdog_breach_id(RECORDED)
    assert sent == breach_of_watchdog(RECORDED)["breach_id"]
    told = watchdog_notification(breach_of_watchdog(RECORDED), "n" * 32, RECORDED)
    assert told.alarm_id == watchdog_alarm_id(sent)
    assert len(told.alarm_id) == 32


def test_the_time_of_sending_is_read_from_a_body_and_from_several_merged_into_one() -> None:
    bodies = [
        watchdog_notification(breach_of_watchdog(RECORDED + minute * 60_000), "n" * 32, RECORDED).body
        for minute in range(3)
    ]
    assert watchdogs_in(bodies[1]) == [RECORDED + 60_000]
    merged = "3 mails in one\n" + "".join(f"\n======== 1 of 3 ========\n\n{body}" for body in bodies)
    assert watchdogs_in(merged) == [RECORDED, RECORDED + 60_000, RECORDED + 120_000]
    assert watchdogs_in("[HIGH] Heart rate 0 /min") == []


def test_a_breach_under_the_reserved_id_that_is_none_of_ours_is_told_and_read_as_nothing() -> None:
    """A score that was derived for it, say: the engine must not stumble over it."""
    odd = breach_of_watchdog(RECORDED) | {"source_id": "P|news2|7"}
    assert watchdogs_in(watchdog_notification(odd, "n" * 32, RECORDED).body) == []


def test_the_engine_can_read_its_breach() -> None:
    assert is_watchdog(read_breach(orjson.dumps(breach_of_watchdog(RECORDED))))
