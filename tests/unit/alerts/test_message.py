"""The texts of the mails."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.manner import style_of
from alerts.message import (
    DISCLAIMER,
    SUBJECT_MAX,
    Current,
    Mail,
    Style,
    Told,
    clinical_mail,
    technical_mail,
)
from clinical.messages import Breach
from clinical.notices import News
from infra.settings import Alerts, Settings
from tests.unit.alerts.breaches import RECORDED, breach, technical_alarm

OSLO = Style(ZoneInfo("Europe/Oslo"))
UTC_STYLE = Style(ZoneInfo("UTC"))
MINIMAL, FULL = (style_of(Settings(alerts=Alerts(content=content))) for content in ("minimal", "full"))
NOW = RECORDED + 1000
SPO2 = {
    "attribute": "spo2",
    "value": 86.0,
    "unit": "%",
    "direction": "low",
    "low_value": None,
    "high_value": 91.0,
    "normal_low": 96.0,
    "normal_high": None,
    "alert_message": "Severe hypoxaemia",
    "threshold_row": "spo2#001",
    "source_id": "4698",
}
GLUCOSE_LOW = {"attribute": "glucose", "unit": "mg/dL", "value": 52.0, "direction": "low"} | {
    "low_value": None,
    "high_value": 53.9,
    "normal_low": 70.0,
    "normal_high": 180.0,
}


def link(alarm_id: str) -> str:
    return f"https://ward.example/ack/{alarm_id}"


def told(news: News = News.RAISED, subject: Breach | None = None, **changes: Any) -> Told:
    subject = subject or breach()
    fields: dict[str, Any] = {"severity": subject["severity"], "since": RECORDED - 120_000, "breaches": 12, **changes}
    return Told(fields.pop("alarm_id", "a" * 32), news, breach=subject, **fields)


def mail_of(
    *alarms: Told, current: tuple[Current, ...] = (), level: int = 0, style: Style = UTC_STYLE, now: int = NOW
) -> Mail:
    return clinical_mail(alarms, current, level, "f" * 32, link, now, style)


def mail_about(subject: Breach, style: Style = UTC_STYLE, delay_ms: int = 1000) -> Mail:
    return mail_of(told(subject=subject), style=style, now=RECORDED + delay_ms)


def rows(mail: Mail, title: str) -> list[str]:
    lines = mail.body.splitlines()
    return [line.removeprefix(f"{title}:").strip() for line in lines if line.startswith(f"{title}:")]


def row(mail: Mail, title: str) -> str:
    return rows(mail, title)[0]


def first_line(mail: Mail) -> str:
    return mail.body.splitlines()[0]


def test_the_first_line_says_what_is_wrong_and_since_when() -> None:
    mail = mail_of(told(), style=OSLO)
    assert first_line(mail) == "HIGH: Heart rate 135 /min is above its normal range since 16:11:20 CEST (2 min)."


def test_the_first_line_of_a_long_alarm_has_the_day() -> None:
    mail = mail_of(told(since=RECORDED - 86_400_000))
    assert "since 2026-09-20 14:13:20 UTC (24 h 0 min)." in first_line(mail)


def test_a_value_below_the_range_reads_as_below() -> None:
    mail = mail_about(breach(**{**GLUCOSE_LOW, "value": 53.95}))
    assert mail.body.startswith("HIGH: Glucose 54.0 mg/dL is below its normal range since")


def test_the_body_names_patient_contact_value_limits_rule_and_references() -> None:
    mail = mail_about(breach(), style=OSLO)
    assert row(mail, "Meaning") == "Severe tachycardia"
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
    assert row(mail, "Device") == "bedside-7"
    assert row(mail, "Notification") == "f" * 32
    assert DISCLAIMER in mail.body


def test_limits_that_nobody_is_named_for_say_so() -> None:
    mail = mail_about(breach(threshold_updated_by=None, threshold_source=" "))
    assert row(mail, "Rule") == "heart_rate#012 (no source given)"


def test_the_subject_names_severity_attribute_value_ward_and_patient_and_not_the_name() -> None:
    assert mail_about(breach()).subject == "[HIGH] Heart rate 135 /min high, ward Cardiology, patient P-0012"


@pytest.mark.parametrize(
    ("news", "level", "mark", "remark"),
    [
        (News.RAISED, 0, "", "(2 min)."),
        (News.REMINDER, 0, "reminder: ", "Reminder: not acknowledged, 12 values so far."),
        (News.WORSE, 0, "worse: ", "More severe than in the mail before."),
        (News.ESCALATED, 2, "escalated: ", "Escalated to level 2: nobody has acknowledged it."),
    ],
)
def test_what_is_not_a_first_mail_says_so(news: News, level: int, mark: str, remark: str) -> None:
    mail = mail_of(told(news), level=level)
    assert mail.subject == f"[HIGH] {mark}Heart rate 135 /min high, ward Cardiology, patient P-0012"
    assert first_line(mail).endswith(remark)


def test_the_last_ten_values_stand_newest_first_with_times_that_are_not_repeated() -> None:
    values = tuple((RECORDED - place * 8000, 135.4 - place) for place in range(12))
    assert row(mail_of(told(values=values)), "Last values") == (
        "135 (14:13:20), 134 (:12), 133 (:04), 132 (14:12:56), 131 (:48), 130 (:40), 129 (:32), 128 (:24), "
        "127 (:16), 126 (:08)"
    )
    assert not rows(mail_of(told()), "Last values")


def test_other_current_vitals_follow_with_the_score_first_and_old_ones_marked() -> None:
    mail = mail_of(
        told(values=((RECORDED, 135.0),)),
        current=(
            Current("heart_rate", 135.0, RECORDED),
            Current("temperature", 38.44, NOW - 12 * 60_000),
            Current("spo2", 93.0, NOW - 300_000),
            Current("news2", 5, RECORDED, 5, 7),
        ),
    )
    lines = mail.body.splitlines()
    start = lines.index("NEWS2 score:  >= 5, 5 of 7 inputs")
    assert lines[start : start + 4] == [
        "NEWS2 score:  >= 5, 5 of 7 inputs",
        "Oxygen saturation: 93 %",
        "Temperature:  38.4 °C (12 min old)",
        "",
    ]
    assert not rows(mail, "Heart rate")


def test_a_whole_score_is_shown_as_it_is() -> None:
    assert row(mail_of(told(), current=(Current("news2", 7, NOW, 7, 7),)), "NEWS2 score") == "7"


def test_each_alarm_has_its_own_link_and_a_mail_without_a_page_has_none() -> None:
    two = (told(), told(News.REMINDER, breach(**SPO2), alarm_id="b" * 32))
    assert rows(mail_of(*two), "Acknowledge") == [link("a" * 32), link("b" * 32)]
    assert "Acknowledge" not in clinical_mail(two, (), 0, "f" * 32, None, NOW, UTC_STYLE).body


def test_a_link_is_never_cut() -> None:
    mail = clinical_mail([told()], (), 0, "f" * 32, lambda alarm_id: "https://w/" + "x" * 900, NOW, UTC_STYLE)
    assert row(mail, "Acknowledge") == "https://w/" + "x" * 900


def test_several_alarms_are_counted_and_each_is_told() -> None:
    mail = mail_of(told(), told(subject=breach(**SPO2)), told(subject=breach(**GLUCOSE_LOW)))
    assert mail.subject == "[HIGH] Heart rate 135 /min high +2 more, ward Cardiology, patient P-0012"
    assert mail.alarms == 3
    openings = mail.body.splitlines()[:3]
    assert [line.partition(" is ")[0] for line in openings] == [
        "HIGH: Heart rate 135 /min",
        "HIGH: Oxygen saturation 86 %",
        "HIGH: Glucose 52.0 mg/dL",
    ]
    assert rows(mail, "Alarm 2 of 3") == ["Oxygen saturation (low)"] * 2
    assert rows(mail, "Reading") == ["vital-info 4711", "vital-info 4698", "vital-info 4711"]
    assert rows(mail, "Normal") == ["51 to 90 /min", "96 % or more", "70.0 to 180.0 mg/dL"]
    assert len(rows(mail, "Patient")) == 1


def test_what_is_new_leads_and_what_is_over_never_stands_for_what_lasts() -> None:
    over, again, new = told(News.RESOLVED, until=NOW), told(News.REMINDER, breach(**SPO2)), told(News.WORSE)
    assert mail_of(over, again).subject.startswith("[HIGH] reminder: Oxygen saturation 86 % low +1 more, ")
    assert mail_of(over, again, new).subject.startswith("[HIGH] worse: Heart rate 135 /min high +2 more, ")
    escalated = told(News.ESCALATED, breach(**SPO2))
    assert mail_of(new, escalated, level=1).subject.startswith("[HIGH] escalated: Oxygen saturation")
    assert rows(mail_of(over, again), "Alarm 2 of 2")[0] == "Heart rate (high), over"


def test_the_order_given_is_kept_among_equals() -> None:
    assert mail_of(told(subject=breach(**SPO2)), told()).subject.startswith("[HIGH] Oxygen saturation")


def test_a_resolved_mail_says_that_it_is_over_how_long_it_lasted_and_its_peak() -> None:
    mail = mail_of(told(News.RESOLVED, until=RECORDED + 720_000, values=((RECORDED, 88.0),)))
    assert mail.subject == "[RESOLVED] Heart rate back in range, ward Cardiology, patient P-0012"
    assert first_line(mail) == (
        "OVER: Heart rate is back in its normal range since 14:25:20 UTC. It lasted 14 min, peak severity high."
    )
    assert "Acknowledge" not in mail.body
    assert row(mail, "It was") == "Severe tachycardia"
    assert row(mail, "Value then") == "135 /min (high)"
    assert not rows(mail, "Value")


def test_a_resolved_mail_says_how_far_the_alarm_was_escalated() -> None:
    assert first_line(mail_of(told(News.RESOLVED, until=NOW), level=2)).endswith("escalated to level 2.")


@pytest.mark.parametrize(
    ("one", "value", "subject", "measured"),
    [
        (breach(), 150.0, "[RESOLVED] Heart rate alarm over, but high again, ", "150 /min"),
        (breach(**GLUCOSE_LOW), 40.0, "[RESOLVED] Glucose alarm over, but low again, ", "40.0 mg/dL"),
    ],
)
def test_the_end_of_an_alarm_whose_value_is_out_again_is_not_called_an_all_clear(
    one: Breach, value: float, subject: str, measured: str
) -> None:
    mail = mail_of(told(News.RESOLVED, one, until=RECORDED, values=((RECORDED, value),)))
    assert mail.subject.startswith(subject)
    assert first_line(mail).startswith("OVER, BUT OUT AGAIN: ")
    assert mail.body.splitlines()[1] == (
        f"But its newest value is outside the normal range: {measured} at 14:13:20 UTC."
    )


def test_a_resolved_alarm_whose_value_went_past_the_other_limit_is_not_called_back_in_range() -> None:
    mail = mail_of(told(News.RESOLVED, breach(**GLUCOSE_LOW), until=RECORDED, values=((RECORDED, 250.0),)))
    assert mail.subject.startswith("[RESOLVED] Glucose no longer low, ")
    assert "Glucose is no longer below its normal range since" in first_line(mail)
    assert mail.body.splitlines()[1] == (
        "But its newest value is outside the normal range: 250.0 mg/dL at 14:13:20 UTC."
    )


def test_the_newest_value_is_rounded_before_it_is_compared_with_the_range() -> None:
    mail = mail_of(told(News.RESOLVED, until=RECORDED, values=((RECORDED, 90.4),)))
    assert "back in range" in mail.subject


def test_a_discharge_says_so() -> None:
    mail = mail_of(told(News.DISCHARGED, severity="medium", until=RECORDED, values=((RECORDED, 135.0),)))
    assert mail.subject == "[DISCHARGED] Heart rate alarm over, ward Cardiology, patient P-0012"
    assert first_line(mail) == (
        "OVER: the patient was discharged at 14:13:20 UTC."
        " Heart rate was above its normal range for 2 min, peak severity medium."
    )
    assert "Acknowledge" not in mail.body


def test_a_partial_score_reads_as_a_lower_bound_and_a_whole_one_does_not() -> None:
    score = {"attribute": "news2", "unit": "", "value": 5.0, "inputs_expected": 7}
    partial = mail_about(breach(**score, inputs_used=5))
    assert "NEWS2 score >= 5 high" in partial.subject
    assert "NEWS2 score >= 5 is above its normal range" in first_line(partial)
    assert "Only 5 of 7 inputs were known, so the true value is this or higher." in partial.body.splitlines()[1]
    for used, expected in ((7, 7), (439, 2), (None, None)):
        whole = mail_about(breach(**{**score, "inputs_used": used, "inputs_expected": expected}))
        assert ">=" not in whole.subject + whole.body


@pytest.mark.parametrize("field", ["phone", "address"])
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_missing_phone_or_address_is_said(field: str, empty: str | None) -> None:
    assert row(mail_about(breach(**{field: empty})), field.capitalize()) == "not on record"


def test_a_patient_without_contact_is_said_with_the_adult_limits() -> None:
    mail = mail_about(without_contact())
    for title in ("Patient", "Phone", "Address", "Ward"):
        assert row(mail, title) == "contact not imported yet"
    assert row(mail, "Age") == "not on record, judged by the limits of an adult"
    assert row(mail, "Patient id") == "P-0012"
    assert "ward unknown" in mail.subject


def without_contact(**changes: Any) -> Breach:
    nobody = dict.fromkeys(("name", "phone", "address", "ward", "age_years"))
    return breach(contact_missing=True, **nobody, **changes)


def test_a_contact_that_any_alarm_of_the_mail_knows_is_told() -> None:
    moved = breach(**SPO2, ward="ICU", detected_at=RECORDED + 500)
    mail = mail_of(told(subject=without_contact(detected_at=RECORDED + 900)), told(), told(subject=moved))
    assert row(mail, "Phone") == "+47 22 00 00 00"
    assert row(mail, "Ward") == "ICU"
    assert "ward ICU" in mail.subject


def test_a_late_value_is_said_to_be_late_and_an_old_one_to_be_old() -> None:
    late = mail_about(breach(detected_at=RECORDED + 13 * 60_000), delay_ms=14 * 60_000)
    assert late.body.splitlines()[1] == "This value is 14 minutes old: it reached the system late."
    assert mail_about(breach(), delay_ms=14 * 60_000).body.splitlines()[1] == "This value is 14 minutes old."
    assert "minutes old" not in mail_about(breach(), delay_ms=120_000).body


def test_a_time_of_receipt_is_said_to_be_one() -> None:
    assert "time of receipt" in row(mail_about(breach(recorded_at_is_receipt=True)), "Recorded")


def test_a_time_in_the_future_gives_no_negative_length() -> None:
    assert first_line(mail_of(told(since=NOW + 5000))).endswith("(0 s).")


def test_an_attribute_of_nobody_cannot_pass_for_a_title_of_ours() -> None:
    mail = mail_of(told(), current=(Current("Reading", 666.0, NOW),))
    assert rows(mail, "Reading") == ["vital-info 4711"]
    assert row(mail, "Attribute Reading") == "666"


def test_texts_of_others_cannot_forge_lines() -> None:
    forged = "x\nReading: 1\r\nWard: X\u2028b\x00\u202ec"
    mail = mail_about(
        breach(
            **dict.fromkeys(
                ("name", "alert_message", "threshold_row", "threshold_source", "device_id", "unit"), forged
            ),
            threshold_updated_by=forged,
        )
    )
    assert row(mail, "Patient") == "x, Reading: 1, Ward: X, b  c"
    assert row(mail, "Meaning") == "x, Reading: 1, Ward: X, b  c"
    assert rows(mail, "Reading") == ["vital-info 4711"]
    assert rows(mail, "Ward") == ["Cardiology"]


def test_the_longest_usual_subject_keeps_the_whole_patient_id() -> None:
    subject = breach(
        attribute="glucose_mean_10m", unit="mg/dL", value=1500.0, severity="medium", ward="Neonatal intensive care"
    )
    mail = mail_of(told(News.ESCALATED, subject), told(), told())
    assert mail.subject == (
        "[MEDIUM] escalated: 10-minute mean glucose 1500.0 mg/dL high +2 more, ward Neonat.., patient P-0012"
    )


def test_a_long_patient_id_takes_room_from_the_ward() -> None:
    mail = mail_about(breach(patient_id="3f2c8a52-0b1d-4c6f", ward="Neonatal intensive care of the east wing"))
    assert mail.subject.endswith("patient 3f2c8a52-0b1d-4c6f")
    assert "ward Neonatal" in mail.subject


def test_the_longest_possible_subject_still_names_ward_and_patient() -> None:
    subject = breach(attribute="x" * 64, unit="ﷺ" * 20, value=-1e9, inputs_used=1, inputs_expected=7, severity="medium")
    mail = mail_of(*[told(News.ESCALATED, subject)] * 18)
    assert len(mail.subject) <= SUBJECT_MAX
    assert mail.subject.endswith(" +17 more, ward Ca.., patient P-0012")


def test_the_largest_mail_stays_below_what_sns_takes() -> None:
    huge = "\U0001f600" * 5000
    texts = dict.fromkeys(("name", "phone", "address", "ward", "device_id", "unit", "alert_message"), huge)
    rules = dict.fromkeys(("threshold_row", "threshold_source", "threshold_updated_by", "source_id"), huge)
    values = tuple((RECORDED - place * 86_400_000, -1e9) for place in range(20))
    alarms = [told(subject=breach(**texts, **rules), values=values) for _ in range(18)]
    assert len(mail_of(*alarms).body.encode()) < 200 * 1024


def test_technical_mails_say_what_and_whether_it_is_over() -> None:
    raised = technical_mail([technical_alarm()], "a" * 32, RECORDED + 60_000, UTC_STYLE)
    cleared = technical_mail([technical_alarm(cleared=True)], "b" * 32, RECORDED + 60_000, UTC_STYLE)
    assert raised.subject == "[TECHNICAL] hbase unavailable (detect-breaches)"
    assert "HBase Thrift at 127.0.0.1:19090 cannot be reached" in raised.body
    assert cleared.subject == "[CLEARED] hbase unavailable (detect-breaches)"
    assert "Cleared:" in cleared.body
    assert "Cleared:" not in raised.body


def test_a_technical_mail_about_several_has_a_line_of_the_first_few_and_counts_the_others() -> None:
    alarms = [technical_alarm(alarm_key=f"k{number}", detail=f"Patient P{number}: {'x' * 400}.") for number in range(7)]
    body = technical_mail(alarms, "a" * 32, RECORDED, UTC_STYLE).body
    assert [line[:11] for line in body.splitlines()[1:7]] == [*(f"Patient P{n}:" for n in range(5)), "And 2 more "]
    assert "k0 and 6 more" in body


def test_a_long_technical_detail_is_told_whole() -> None:
    detail = "row by row " * 150
    assert detail.strip() in technical_mail([technical_alarm(detail=detail)], "a" * 32, RECORDED, UTC_STYLE).body


ANY_TEXT = st.text(max_size=120)
ATTRIBUTES = st.sampled_from(["heart_rate", "glucose_mean_10m", "news2"]) | st.text(min_size=1, max_size=64)
VALUES = st.floats(-1e9, 1e9, allow_nan=False)
TIMES = st.integers(0, 253_402_300_799_000)
IDENTIFIERS = {"name": "Zyxwv Qüqq", "phone": "+479988", "address": "7 Qwxyz Row", "device_id": "dev-qzx"}


@st.composite
def alarms(draw: st.DrawFn) -> Told:
    """Any alarm that a mail may tell of, of a patient with IDENTIFIERS."""
    subject = breach(
        **IDENTIFIERS,
        ward=draw(st.none() | ANY_TEXT),
        patient_id=draw(st.text(min_size=1, max_size=190)),
        attribute=draw(ATTRIBUTES),
        unit=draw(ANY_TEXT),
        value=draw(VALUES),
        direction=draw(st.sampled_from(["low", "high"])),
        severity=draw(st.sampled_from(["low", "medium", "high"])),
        alert_message=draw(ANY_TEXT),
        recorded_at=draw(TIMES),
        inputs_used=draw(st.none() | st.integers(0, 9)),
        inputs_expected=draw(st.none() | st.integers(0, 9)),
        contact_missing=draw(st.booleans()),
    )
    values = tuple(draw(st.lists(st.tuples(TIMES, st.floats()), max_size=3)))
    until = draw(st.none() | TIMES)
    return told(draw(st.sampled_from(News)), subject, since=draw(TIMES), until=until, values=values)


CURRENT = st.builds(
    Current, ATTRIBUTES, st.floats(), TIMES, st.none() | st.integers(0, 7), st.none() | st.integers(0, 7)
)


@given(st.lists(alarms(), min_size=1, max_size=4), st.lists(CURRENT, max_size=3), st.integers(0, 2), TIMES)
def test_every_subject_is_short_ascii_on_one_line_without_identifiers(
    several: list[Told], current: list[Current], level: int, now: int
) -> None:
    mail = clinical_mail(several, current, level, "f" * 32, link, now, UTC_STYLE)
    assert 0 < len(mail.subject) <= SUBJECT_MAX
    assert mail.subject.isascii()
    assert mail.subject.isprintable()
    assert mail.subject[0] == "["
    for identifier in ("Zyxwv", "Quqq", "+479988", "Qwxyz", "dev-qzx"):
        assert identifier not in mail.subject


@given(st.lists(alarms(), min_size=1, max_size=4), st.lists(CURRENT, max_size=3), TIMES)
def test_a_minimal_mail_leaves_out_every_direct_identifier(
    several: list[Told], current: list[Current], now: int
) -> None:
    minimal, full = (clinical_mail(several, current, 0, "f" * 32, link, now, style) for style in (MINIMAL, FULL))
    for identifier in IDENTIFIERS.values():
        assert identifier not in minimal.body
        assert identifier in full.body
    assert row(minimal, "Reading") == "vital-info 4711"
    assert minimal.subject == full.subject


@given(st.lists(alarms(), min_size=1, max_size=4), st.lists(CURRENT, max_size=3), TIMES)
def test_every_body_can_be_sent_and_tells_each_alarm_once(
    several: list[Told], current: list[Current], now: int
) -> None:
    body = clinical_mail(several, current, 0, "f" * 32, link, now, UTC_STYLE).body
    assert body.encode().decode() == body
    assert body.count("\nReading: ") == len(several)
    assert body.count("\nAcknowledge: ") == sum(not one.is_over for one in several)


@given(kind=st.text(min_size=1, max_size=64), source=st.text(min_size=1, max_size=64))
def test_every_technical_subject_is_short_ascii_on_one_line(kind: str, source: str) -> None:
    subject = technical_mail([technical_alarm(kind=kind, source=source)], "a" * 32, RECORDED, UTC_STYLE).subject
    assert 0 < len(subject) <= SUBJECT_MAX
    assert subject.isascii()
    assert subject.isprintable()
