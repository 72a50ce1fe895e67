"""What the alarms page shows to whom."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from alerts.alarms_table import AlarmRow, Step
from alerts.decide import WHO
from alerts.no_signal import signal_key
from alerts.orders import Order
from alerts.silences import Silence
from alerts.ward_mail import NO_SIGNAL
from clinical.presence import Signal
from dashboard.alarms.html import facts_html, table_html
from dashboard.alarms.look import ENDED_MAX, Seen, cut
from dashboard.alarms.view import Eyes, Place, count_told, facts_of, lines, silence_lines, steps_of
from tests.unit.alerts.alarms_looked_at import alarm_row
from tests.unit.alerts.breaches import RECORDED

UTC = ZoneInfo("UTC")
NURSE, ANALYST = Eyes(identity=True, acts=True), Eyes(identity=False, acts=False)
SECRETS = ("Zoë Łukasz", "Jane Doe", "dizzy, says her son", "known to run low")

ACTIVE = alarm_row(alarm_id="a" * 32)
ACKNOWLEDGED = alarm_row(
    alarm_id="b" * 32, phase="acknowledged", acknowledged_by="Jane Doe", acknowledged_until=RECORDED + 600_000
)
TECHNICAL = alarm_row(
    alarm_id="c" * 32,
    kind="technical",
    attribute=None,
    direction=None,
    patient_id=None,
    ward=None,
    phase=None,
    severity=None,
    technical_kind="mails_wait",
    detail="3 mails wait.",
)
ENDED = alarm_row(alarm_id="d" * 32, phase="ended", ended_at=RECORDED + 90_000, end_reason="cleared")
ELSEWHERE = alarm_row(alarm_id="e" * 32, ward="ICU")
ORDER = Order(1, ACTIVE.alarm_id, "Jane Doe", False, "dizzy, says her son", None, RECORDED)
SILENCE = Silence(
    4, "silence", "P-0012", None, "heart_rate", RECORDED, RECORDED + 3_600_000, "Jane Doe", "known to run low"
)
SEEN = Seen(
    (ACTIVE, ACKNOWLEDGED, TECHNICAL, ELSEWHERE),
    (ENDED,),
    (ORDER,),
    (SILENCE,),
    frozenset({4}),
    {"P-0012": "Zoë Łukasz"},
    ("Cardiology", "ICU"),
)


def shown(eyes: Eyes, ward: str | None = None) -> dict[Place, list[str]]:
    return {place: [line.alarm_id[0] for line in some] for place, some in lines(SEEN, eyes, UTC, ward).items()}


def test_each_alarm_has_one_place_and_technical_ones_stand_apart() -> None:
    assert shown(NURSE) == {"active": ["a", "e"], "acknowledged": ["b"], "technical": ["c"], "ended": ["d"]}


def test_a_ward_is_shown_with_what_is_technical_for_all() -> None:
    assert shown(NURSE, "ICU") == {"active": ["e"], "acknowledged": [], "technical": ["c"], "ended": []}


def test_a_silent_device_is_looked_for_where_its_patient_lies_now() -> None:
    silent = replace(TECHNICAL, technical_kind=NO_SIGNAL, technical_key=signal_key(Signal("P-0012")), ward="Cardiology")
    moved = Seen((silent,), (replace(silent, phase="ended", ended_at=RECORDED),), beds={"P-0012": "ICU"})
    found = {ward: lines(moved, NURSE, UTC, ward) for ward in ("Cardiology", "ICU")}
    assert [line.ward for line in found["ICU"]["technical"]] == ["ICU"]
    assert found["Cardiology"]["technical"] == []
    assert [line.ward for line in found["Cardiology"]["ended"]] == ["Cardiology"]
    assert len(lines(replace(moved, beds={}), NURSE, UTC, "Cardiology")["technical"]) == 1


def test_severity_is_told_by_shape_and_text() -> None:
    found = lines(SEEN, NURSE, UTC, None)
    assert found["active"][0].mark == "▲ HIGH"
    assert found["technical"][0].mark == "■ TECHNICAL"


def test_a_nurse_sees_the_name_who_acknowledged_and_what_waits_for_the_engine() -> None:
    found = lines(SEEN, NURSE, UTC, None)
    assert found["active"][0].whose == "Zoë Łukasz (P-0012)"
    assert "Jane Doe's acknowledgement waits for the alert engine." in found["active"][0].notes
    assert found["acknowledged"][0].state.startswith("Acknowledged by Jane Doe until 20")


def test_a_silence_is_told_where_it_holds_until_it_holds_no_more() -> None:
    assert any("Silenced" in note for note in lines(SEEN, NURSE, UTC, None)["active"][0].notes)
    to_come = replace(SEEN, in_force=frozenset())
    assert not any("Silenced" in note for note in lines(to_come, NURSE, UTC, None)["active"][0].notes)
    assert silence_lines(SEEN, NURSE, UTC, None)[0].times.startswith("until")
    assert silence_lines(to_come, NURSE, UTC, None)[0].times.startswith("from")


def test_what_an_analyst_sees_holds_no_name_and_nothing_that_people_wrote_and_offers_no_act() -> None:
    for eyes, is_there in ((NURSE, True), (ANALYST, False)):
        found = [line for some in lines(SEEN, eyes, UTC, None).values() for line in some]
        silences = silence_lines(SEEN, eyes, UTC, None)
        steps = [
            Step(RECORDED, "Jane Doe", "acknowledged", "dizzy, says her son", None, None),
            Step(RECORDED, WHO, "raised", "known to run low", "A mail to Zoë Łukasz", RECORDED),
        ]
        told = repr((found, silences, facts_of(ACKNOWLEDGED, "Zoë Łukasz", eyes, UTC), steps_of(steps, eyes, UTC)))
        assert [secret in told for secret in SECRETS] == [is_there] * len(SECRETS)
        assert any(line.may_acknowledge or line.may_silence for line in found) == is_there
        assert any(silence.may_end for silence in silences) == is_there


def test_an_analyst_still_sees_every_step_and_whether_a_person_took_it() -> None:
    steps = [
        Step(RECORDED, WHO, "raised", "", "a subject", None),
        Step(RECORDED, "Jane Doe", "acknowledged", "seen", None, None),
    ]
    headline, rows = steps_of(steps, ANALYST, UTC)
    assert len(headline) == len(rows[0])
    assert [row[1:] for row in rows] == [("raised", "the program", "a mail (waits)"), ("acknowledged", "somebody", "")]


@pytest.mark.parametrize(("alarm", "may"), [(ACTIVE, True), (ACKNOWLEDGED, True), (TECHNICAL, False), (ENDED, False)])
def test_only_what_can_be_acknowledged_has_a_button_for_it(alarm: AlarmRow, may: bool) -> None:
    [line] = [line for some in lines(Seen((alarm,)), NURSE, UTC, None).values() for line in some]
    assert line.may_acknowledge == may


def test_a_look_at_which_nothing_changed_equals_the_one_before() -> None:
    assert replace(SEEN, names={"P-0012": "Zoë Łukasz"}) == SEEN
    assert replace(SEEN, alarms=(replace(ACTIVE, last_value=136.0),)) != SEEN


def test_script_in_what_others_wrote_stays_text() -> None:
    evil = "<script>alert(1)</script>"
    for html in (facts_html([("Patient", evil)]), table_html(evil, (evil,), [(evil, evil, evil)])):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_what_is_more_than_fits_is_not_told_as_a_count() -> None:
    assert cut([ENDED] * 3, 3) == ((ENDED,) * 3, False)
    assert cut([ENDED] * 4, 3) == ((ENDED,) * 3, True)
    assert [count_told(7, False), count_told(ENDED_MAX, False)] == ["7", "500"]
    assert [count_told(ENDED_MAX, True), count_told(7, True)] == ["the newest 500", "7 of the newest 500 of all wards"]
