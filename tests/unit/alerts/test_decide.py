"""From breaches to alarms, audit and outbox."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from alerts.decide import Alarm, Changes, decide
from alerts.message import Style
from clinical.alarms import Rule
from clinical.messages import Breach
from tests.unit.alerts.breaches import RECORDED, breach

RULE = Rule(300, frozenset({"high", "medium"}))
STYLE = Style(ZoneInfo("UTC"))


def decided(*breaches: Breach, newest: dict[bytes, Alarm] | None = None) -> Changes:
    return decide(breaches, {} if newest is None else newest, RECORDED + 5000, RULE, STYLE)


def test_one_breach_makes_an_alarm_a_notification_and_its_audit() -> None:
    changes = decided(breach())
    [alarm] = changes.alarms.values()
    [notification] = changes.notifications
    assert [(event.what, event.notification_id) for event in changes.events] == [
        ("began", None),
        ("first", notification.notification_id),
    ]
    assert notification.alarm_id == alarm.alarm_id
    assert (notification.ward, notification.severity, notification.attribute, notification.priority) == (
        "Cardiology",
        "high",
        "heart_rate",
        0,
    )
    assert notification.notification_id in notification.body


def test_audit_and_subject_hold_no_direct_identifier() -> None:
    changes = decided(breach())
    texts = [event.why for event in changes.events] + [changes.notifications[0].subject]
    for identifier in ("Zoë", "Łukasz", "+47", "Harbour"):
        assert not any(identifier in text for text in texts)


def test_patients_attributes_and_directions_have_alarms_of_their_own() -> None:
    changes = decided(
        breach(),
        breach(patient_id="P-2"),
        breach(attribute="spo2"),
        breach(direction="low"),
        breach(),
    )
    assert len(changes.alarms) == 4
    assert len(changes.notifications) == 4


def test_notifications_of_one_patient_share_a_group_and_of_two_do_not() -> None:
    groups = [n.group_key for n in decided(breach(), breach(attribute="spo2"), breach(patient_id="P-2")).notifications]
    assert groups[0] == groups[1]
    assert groups[0] != groups[2]


def test_a_new_alarm_ends_the_one_before() -> None:
    newest: dict[bytes, Alarm] = {}
    hour = 3_600_000
    [old] = decided(breach(recorded_at=RECORDED - hour), newest=newest).alarms.values()
    changes = decided(breach(), newest=newest)
    assert changes.alarms[old.alarm_id].ended_at == RECORDED - hour
    [new] = [alarm for alarm in changes.alarms.values() if alarm.ended_at is None]
    assert newest[old.key] == new
    assert [event.what for event in changes.events] == ["ended", "began", "first"]


def test_the_ward_stays_known_when_a_later_breach_lacks_it() -> None:
    [alarm] = decided(breach(), breach(ward=None)).alarms.values()
    assert alarm.ward == "Cardiology"


def test_a_patient_without_ward_is_told_under_the_unknown_ward() -> None:
    [notification] = decided(breach(ward=None, contact_missing=True)).notifications
    assert notification.ward == "ward unknown"
