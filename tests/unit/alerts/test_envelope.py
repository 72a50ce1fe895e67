"""From a queue's message to a mail."""

from __future__ import annotations

import orjson

from alerts.envelope import compose, read_envelope


def test_a_notification_of_ours_keeps_its_id_and_texts() -> None:
    text = orjson.dumps(
        {
            "Type": "Notification",
            "MessageId": "5b2c-1",
            "Subject": "[HIGH] Heart rate",
            "Message": "Zoë\nŁukasz\n",
            "MessageAttributes": {"notification_id": {"Type": "String", "Value": "a" * 32}},
        }
    ).decode()
    envelope = read_envelope(text, "sqs-1")
    assert (envelope.notification_id, envelope.subject, envelope.body) == (
        "a" * 32,
        "[HIGH] Heart rate",
        "Zoë\nŁukasz\n",
    )


def test_what_others_publish_to_the_topic_is_mailed_under_its_sns_id() -> None:
    envelope = read_envelope('{"MessageId": "12-34", "Message": "the alarm path is down"}', "sqs-1")
    assert envelope.notification_id == "1234"
    assert envelope.subject == "Wardwatch notification"


def test_what_is_no_notification_is_mailed_as_it_is() -> None:
    for text in ("plain words", "[1, 2]", '{"a": 1}'):
        assert read_envelope(text, "sq-1").body == text


def test_a_subject_cannot_carry_further_headers() -> None:
    envelope = read_envelope('{"MessageId": "1", "Message": "x", "Subject": "a\\nBcc: eve@x.org"}', "s")
    mail = compose(envelope, "ward@x.org", "doctor@x.org")
    assert mail["Subject"] == "a, Bcc: eve@x.org"
    assert mail["Bcc"] is None


def test_the_message_id_comes_from_the_notification() -> None:
    envelope = read_envelope('{"MessageId": "12-34", "Message": "ä"}', "s")
    mail = compose(envelope, "no-reply@wardwatch.example", "doctor@x.org")
    assert mail["Message-ID"] == "<1234@wardwatch.example>"
    assert mail["To"] == "doctor@x.org"
    assert mail.get_content() == "ä\n"
