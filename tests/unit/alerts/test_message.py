"""The texts of the emails."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.message import DISCLAIMER, SUBJECT_MAX, Mail, Style, age_text, ascii_line, clinical_mail, technical_mail
from clinical.alarms import AlarmState, Notice
from clinical.messages import Breach
from tests.unit.alerts.breaches import RECORDED, breach, technical_alarm

OSLO = Style(ZoneInfo("Europe/Oslo"))
UTC_STYLE = Style(ZoneInfo("UTC"))
STATE = AlarmState(RECORDED - 400_000, RECORDED, "high", 12, None)


def mail_about(subject: Breach, notice: Notice = Notice.FIRST, style: Style = UTC_STYLE, delay_ms: int = 1000) -> Mail:
    return clinical_mail(subject, STATE, notice, "f" * 32, RECORDED + delay_ms, style)


def row(mail: Mail, title: str) -> str:
    return next(
        line.removeprefix(f"{title}:").strip() for line in mail.body.splitlines() if line.startswith(f"{title}:")
    )


def test_the_body_says_what_is_wrong_first() -> None:
    lines = mail_about(breach()).body.splitlines()
    assert lines[0] == "HIGH: Heart rate 135 /min is above its normal range."
    assert lines[1] == "Severe tachycardia"


def test_the_body_names_patient_contact_value_limits_rule_and_references() -> None:
    mail = mail_about(breach(), style=OSLO)
    assert row(mail, "Value") == "135 /min (high)"
    assert row(mail, "Limits hit") == "131 /min or more"
    assert row(mail, "Normal") == "51 to 90 /min"
    assert row(mail, "Rule") == "heart_rate#012 (NEWS2 (RCP 2017); last changed by ops)"
    assert row(mail, "Recorded") == "2026-09-21 16:13:20 CEST"
    assert row(mail, "Patient") == "Zoë Łukasz"
    assert row(mail, "Phone") == "+47 22 00 00 00"
    assert row(mail, "Address") == "1 Harbour Street, Oslo"
    assert row(mail, "Patient id") == "P-0012"
    assert row(mail, "Ward") == "Cardiology"
    assert row(mail, "Age") == "54 years"
    assert row(mail, "Reading") == "vital-info 4711"
    assert row(mail, "Notification") == "f" * 32
    assert DISCLAIMER in mail.body


def test_the_subject_names_severity_attribute_value_ward_and_patient_and_not_the_name() -> None:
    assert mail_about(breach()).subject == "[HIGH] Heart rate 135 /min high, ward Cardiology, patient P-0012"


def test_reminders_and_rises_say_so() -> None:
    reminder, worse = mail_about(breach(), Notice.REMINDER), mail_about(breach(), Notice.WORSE)
    assert "reminder: " in reminder.subject
    assert "12 values so far" in reminder.body
    assert "worse: " in worse.subject
    assert "More severe than in the mail before." in worse.body


def test_a_partial_score_reads_as_a_lower_bound_and_a_whole_one_does_not() -> None:
    score = {"attribute": "news2", "unit": "", "value": 5.0, "inputs_expected": 7}
    partial = mail_about(breach(**score, inputs_used=5))
    assert "NEWS2 score >= 5 high" in partial.subject
    assert "NEWS2 score >= 5 is above its normal range." in partial.body
    assert "Only 5 of 7 inputs were known, so the true value is this or higher." in partial.body
    for used, expected in ((7, 7), (439, 2), (None, None)):
        whole = mail_about(breach(**{**score, "inputs_used": used, "inputs_expected": expected}))
        assert ">=" not in whole.subject + whole.body


def test_a_value_below_the_range_reads_as_below() -> None:
    mail = mail_about(breach(attribute="glucose", value=53.95, unit="mg/dL", direction="low", high_value=53.9))
    assert mail.body.startswith("HIGH: Glucose 54.0 mg/dL is below its normal range.")


@pytest.mark.parametrize("field", ["phone", "address"])
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_missing_phone_or_address_is_said(field: str, empty: str | None) -> None:
    assert row(mail_about(breach(**{field: empty})), field.capitalize()) == "not on record"


def test_a_patient_without_contact_is_said_with_the_adult_limits() -> None:
    nobody = dict.fromkeys(("name", "phone", "address", "ward", "age_years"))
    mail = mail_about(breach(contact_missing=True, **nobody))
    for title in ("Patient", "Phone", "Address", "Ward"):
        assert row(mail, title) == "contact not imported yet"
    assert row(mail, "Age") == "not on record, judged by the limits of an adult"
    assert row(mail, "Patient id") == "P-0012"
    assert "ward unknown" in mail.subject


def test_minimal_content_leaves_out_direct_identifiers() -> None:
    text = mail_about(breach(), style=Style(ZoneInfo("UTC"), direct_identifiers=False)).body
    for identifier in ("Zoë", "Łukasz", "+47", "Harbour", "bedside-7"):
        assert identifier not in text
    assert "P-0012" in text


def test_an_old_value_is_said_to_be_old() -> None:
    assert "14 minutes old" in mail_about(breach(), delay_ms=14 * 60_000).body
    assert "minutes old" not in mail_about(breach()).body


def test_a_time_of_receipt_is_said_to_be_one() -> None:
    assert "time of receipt" in row(mail_about(breach(recorded_at_is_receipt=True)), "Recorded")


def test_line_ends_in_a_name_or_rule_cannot_forge_lines() -> None:
    mail = mail_about(breach(name="Eve\nPhone: 1\r\nWard: X", alert_message="a\u2028b\x00c"))
    assert row(mail, "Patient") == "Eve, Phone: 1, Ward: X"
    assert mail.body.splitlines()[1] == "a, b c"


def test_a_subject_spells_other_scripts_in_ascii() -> None:
    assert ascii_line("Süd-Łódź °C ß\n心") == "Sud-Lodz C ss, ?"


def test_the_longest_usual_subject_keeps_the_whole_patient_id() -> None:
    mail = mail_about(
        breach(
            attribute="glucose_mean_10m", unit="mg/dL", value=1500.0, severity="medium", ward="Neonatal intensive care"
        ),
        Notice.REMINDER,
    )
    assert mail.subject.endswith("patient P-0012")
    assert "1500.0 mg/dL high" in mail.subject


def test_months_are_used_for_small_children() -> None:
    assert [age_text(years) for years in (0.0, 1 / 12, 1.5, 2.0, 17.99)] == [
        "0 months",
        "1 month",
        "18 months",
        "2 years",
        "17 years",
    ]


def test_technical_mails_say_what_and_whether_it_is_over() -> None:
    raised = technical_mail(technical_alarm(), False, "a" * 32, RECORDED + 60_000, UTC_STYLE)
    cleared = technical_mail(technical_alarm(cleared=True), True, "b" * 32, RECORDED + 60_000, UTC_STYLE)
    assert raised.subject == "[TECHNICAL] hbase unavailable (detect-breaches)"
    assert "HBase Thrift at 127.0.0.1:19090 cannot be reached" in raised.body
    assert cleared.subject == "[CLEARED] hbase unavailable (detect-breaches)"
    assert "Cleared:" in cleared.body
    assert "Cleared:" not in raised.body


ANY_TEXT = st.text(max_size=120)


@given(
    ward=st.none() | ANY_TEXT,
    patient=st.text(min_size=1, max_size=190),
    attribute=st.sampled_from(["heart_rate", "glucose_mean_10m", "news2"]) | st.text(min_size=1, max_size=64),
    unit=ANY_TEXT,
    value=st.floats(-1e9, 1e9, allow_nan=False),
    notice=st.sampled_from([Notice.FIRST, Notice.WORSE, Notice.REMINDER]),
)
def test_every_subject_is_short_ascii_on_one_line_without_contact(
    ward: str | None, patient: str, attribute: str, unit: str, value: float, notice: Notice
) -> None:
    subject = mail_about(
        breach(
            ward=ward, patient_id=patient, attribute=attribute, unit=unit, value=value, name="Zyxwv", phone="+479988"
        ),
        notice,
    ).subject
    assert 0 < len(subject) <= SUBJECT_MAX
    assert subject.isascii()
    assert subject.isprintable()
    assert subject[0] == "["
    assert "Zyxwv" not in subject
    assert "+479988" not in subject


@given(kind=st.text(min_size=1, max_size=64), source=st.text(min_size=1, max_size=64))
def test_every_technical_subject_is_short_ascii_on_one_line(kind: str, source: str) -> None:
    subject = technical_mail(technical_alarm(kind=kind, source=source), False, "a" * 32, RECORDED, UTC_STYLE).subject
    assert 0 < len(subject) <= SUBJECT_MAX
    assert subject.isascii()
    assert subject.isprintable()
