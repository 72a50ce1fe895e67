"""The thresholds page in a browser: what is saved there judges the next reading, what would be wrong is refused.

Only limits of a patient of the test's own are saved, since others use the same table; they are gone afterwards.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Expect, Locator, Page

from hbase.edits import Edit, make
from hbase.patient_edits import plan_patient, plan_patient_removal
from hbase.table import EditConflictError, read_state, row_history
from hive.client import query
from infra.clients import alerts_connection, devices_connection
from infra.settings import Settings
from tests.browser.conftest import SignIn, check_fits

Await = Callable[..., Any]
GLUCOSE = "Glucose"
PATIENCE_MS = 180_000
"""For whatever is awaited: the streams, Hive, or HBase on a machine that others use too."""

expect = Expect()
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def patient(stack: Settings) -> Iterator[str]:
    """A patient of this test alone, for whom a glucose of 70 to 150 is normal; afterwards the general limits hold."""
    patient_id = f"limits-{uuid.uuid4().hex[:8]}"
    edited(stack, lambda cells: plan_patient(cells, patient_id, "glucose", "70:150", "browser-test", "of a test"))
    yield patient_id
    edited(stack, lambda cells: plan_patient_removal(cells, patient_id, "glucose"))


def edited(settings: Settings, plan: Callable[[Any], Any]) -> None:
    """Make an edit, again if somebody else was faster."""
    for _ in range(20):
        state = read_state(settings)
        try:
            make(settings, state, plan(state.cells))
        except EditConflictError:
            continue
        return
    pytest.fail("the table was edited by others all the time")


def own_rows(settings: Settings, patient_id: str) -> dict[str, dict[str, str]]:
    cells = read_state(settings).cells
    return {key: row for key, row in cells.items() if row.get("patient_id") == patient_id}


def row_of(settings: Settings, patient_id: str, direction: str, severity: str = "") -> str:
    (key,) = [
        key
        for key, row in own_rows(settings, patient_id).items()
        if row["direction"] == direction and severity in ("", row["severity"])
    ]
    return key


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def opened(page: Page, patient_id: str = "") -> Page:
    """The thresholds page, with the limits of that patient chosen."""
    page.goto("/thresholds")
    expect(page.locator(".ward-bands")).to_be_visible()
    if patient_id:
        choose(page, "Attribute", GLUCOSE)
        choose(page, "Limits of", f"patient {patient_id}")
        expect(page.get_by_role("cell", name="glucose#").first).to_be_visible()
    return page


def edit(page: Page, row_key: str, **fields: str) -> None:
    """Change fields of a row in the draft."""
    labels = {"lowest": "Lowest value", "highest": "Highest value", "delay": "Delay"}
    page.get_by_role("button", name=f"Edit {row_key}", exact=True).click()
    for name, text in fields.items():
        page.get_by_label(labels[name]).fill(text)


def save(page: Page, reason: str) -> None:
    page.get_by_label("Reason for the change").fill(reason)
    page.get_by_role("button", name="Save", exact=True).click()


def refusal(page: Page) -> Locator:
    return page.locator(".ward-limits-refusal")


def measured(settings: Settings, patient_id: str, attribute: str, value: float) -> None:
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO health.patients_vital_info (patient_id, device_id, recorded_at, {attribute})"
            " VALUES (%s, 'bedside', %s, %s)",
            (patient_id, datetime.now(UTC).replace(tzinfo=None), value),
        )


def alarms(settings: Settings, patient_id: str) -> list[tuple[str, str]]:
    """Attribute and direction of the alarms of that patient."""
    with alerts_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT attribute, direction FROM alarms WHERE patient_id = %s", (patient_id,))
        return list(cursor.fetchall())


def audited(settings: Settings, patient_id: str) -> list[tuple[str, str, str]]:
    with alerts_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user_name, act, detail FROM page_audit WHERE patient_id = %s", (patient_id,))
        return list(cursor.fetchall())


def test_a_threshold_saved_in_the_page_changes_the_next_judgement(
    stack: Settings,
    sign_in: SignIn,
    patient: str,
    await_condition: Await,
    check_accessible: Callable[[Page], None],
) -> None:
    page = opened(sign_in("ops"), patient)
    check_accessible(page)
    expect(page.get_by_text("In force: detection judges by this table")).to_be_visible()
    measured(stack, patient, "glucose", 140)
    measured(stack, patient, "temperature", 41.5)
    await_condition(
        lambda: ("temperature", "high") in alarms(stack, patient), 180, "what came behind 140 was not judged"
    )
    assert ("glucose", "high") not in alarms(stack, patient), "140 was normal by the limits in force before"
    normal, above = row_of(stack, patient, "normal"), row_of(stack, patient, "high", "low")
    before = own_rows(stack, patient)
    edit(page, normal, highest="120")
    expect(page.get_by_text("hole: 120.1 to 150.0 in no band")).to_be_visible()
    page.get_by_role("button", name="Move the neighbouring band along").click()
    expect(page.get_by_text("The table would be right")).to_be_visible()
    save(page, "Stricter for a test")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    assert own_rows(stack, patient)[above]["low_value"] == "120.1"
    assert own_rows(stack, patient)[normal]["updated_by"] == "ops"
    ((user, act, detail),) = audited(stack, patient)
    assert (user, act) == ("ops", "change thresholds")
    assert detail.startswith("Stricter for a test:")
    assert f"{normal} high_value: 150 -> 120" in detail.replace(".0", "")
    expect(page.get_by_text("In force: detection judges by this table")).to_be_visible()

    def alarmed() -> bool:
        measured(stack, patient, "glucose", 140)
        return ("glucose", "high") in alarms(stack, patient)

    await_condition(alarmed, 180, "the saved limit did not judge the next readings", 2)

    page.get_by_role("button", name=f"History {normal}", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("high_value: 150")).to_be_visible()
    check_accessible(page)
    page.get_by_role("button", name=f"Undo the last change {normal}").click()
    expect(page.get_by_text("The table would be right")).to_be_visible()
    save(page, "Back as it was")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    after = own_rows(stack, patient)
    assert {key: row | {"updated_by": ""} for key, row in after.items()} == {
        key: row | {"updated_by": ""} for key, row in before.items()
    }
    assert len({version.written_at for version in row_history(stack, normal)}) == 3, "an undo is an edit of its own"


def test_an_edit_begins_in_the_first_field_and_takes_nobody_out_of_another(
    stack: Settings, sign_in: SignIn, patient: str
) -> None:
    page = opened(sign_in("ops"), patient)
    row_key = row_of(stack, patient, "low", "medium")
    button = page.get_by_role("button", name=f"Edit {row_key}", exact=True)
    button.click()
    expect(page.get_by_label("Age from")).to_be_focused()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_label("Delay")).to_have_count(0)
    # Who is faster than the page: the field has the keyboard as soon as it is there.
    page.evaluate(
        """new MutationObserver((_, seen) => {
            const field = document.querySelector('input[aria-label^="Delay"]');
            if (field) { seen.disconnect(); field.focus(); }
        }).observe(document.body, { childList: true, subtree: true })"""
    )
    button.click()
    expect(page.get_by_label("Delay")).to_be_focused()
    page.get_by_label("Message for doctors").wait_for()
    expect(page.get_by_label("Delay")).to_be_focused()


def test_an_overlapping_band_is_refused_with_a_picture_of_why(
    stack: Settings,
    sign_in: SignIn,
    patient: str,
    take_picture: Callable[[Page, str], Path],
    check_accessible: Callable[[Page], None],
) -> None:
    page = opened(sign_in("ops"), patient)
    before = own_rows(stack, patient)
    edit(page, row_of(stack, patient, "normal"), highest="160")
    expect(page.locator(".ward-bands .ward-overlap")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    take_picture(page, "ward-page-thresholds")
    save(page, "This cannot be")
    expect(refusal(page)).to_contain_text("Not saved")
    expect(refusal(page)).to_contain_text("both hold the values 150.1 to 160")
    expect(refusal(page).locator("svg .ward-overlap")).to_be_visible()
    check_accessible(page)
    refusal(page).scroll_into_view_if_needed()
    take_picture(page, "ward-page-thresholds-refused")
    assert own_rows(stack, patient) == before
    assert audited(stack, patient) == []


def test_a_draft_on_a_table_that_somebody_else_changed_is_refused_and_can_be_taken_over(
    stack: Settings, sign_in: SignIn, patient: str
) -> None:
    page = opened(sign_in("ops"), patient)
    low, high = row_of(stack, patient, "low", "medium"), row_of(stack, patient, "high", "medium")
    edit(page, low, delay="21")
    expect(page.get_by_text("delay_seconds: 15 → 21")).to_be_visible()
    edited(stack, lambda cells: plan_delay(high, "22"))
    # What comes or goes moves what is below it, and a click that is under way there with it.
    take_over = page.get_by_role("button", name="Take the draft over")
    expect(take_over).to_be_visible()
    save(page, "Together with somebody else")
    expect(refusal(page)).to_contain_text("the table was changed since this draft began")
    assert own_rows(stack, patient)[low]["delay_seconds"] == "15"
    take_over.click()
    expect(take_over).to_be_hidden()
    expect(refusal(page)).to_be_hidden()
    save(page, "Looked at again")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    rows = own_rows(stack, patient)
    assert (rows[low]["delay_seconds"], rows[high]["delay_seconds"]) == ("21", "22")


def plan_delay(row_key: str, seconds: str) -> Edit:
    return Edit({row_key: {"delay_seconds": seconds}}).signed("somebody else")


def test_what_a_draft_would_have_meant_is_told_or_cancelled_and_it_can_be_saved_all_the_same(
    sign_in: SignIn, patient: str, stack: Settings
) -> None:
    page = opened(sign_in("ops"), patient)
    edit(page, row_of(stack, patient, "high", "medium"), delay="20")
    expect(page.get_by_text("The table would be right")).to_be_visible()
    ask = page.get_by_role("button", name="What would this have meant?")
    ask.click()
    page.get_by_role("button", name="Cancel the replay").click()
    expect(page.get_by_text("The replay was cancelled.")).to_be_visible()
    ask.click()
    answer = page.get_by_text("On the last 24 hours this would have meant").or_(
        page.get_by_text("Hive has no readings")
    )
    expect(answer.first).to_be_visible()
    save(page, "Longer")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()


def test_what_a_draft_would_have_meant_is_told_in_numbers(
    stack: Settings, sign_in: SignIn, patient: str, await_condition: Await
) -> None:
    """Of an hour with an episode of 280 and one of 60 mg/dL the draft leaves the second. The alarms of others count by
    both tables, as the draft does not touch theirs."""
    begin = (datetime.now(UTC) - timedelta(hours=3)).replace(tzinfo=None)
    values = [100] * 10 + [280] * 5 + [100] * 15 + [60] * 5 + [100] * 25
    with devices_connection(stack) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health.patients_vital_info (patient_id, device_id, recorded_at, glucose)"
            " VALUES (%s, 'bedside', %s, %s)",
            [(patient, begin + timedelta(minutes=minute), value) for minute, value in enumerate(values)],
        )
    landed = f"SELECT 1 FROM health.vital_readings WHERE event_date >= '{begin:%Y-%m-%d}' AND patient_id = '{patient}'"
    page = opened(sign_in("ops"), patient)
    await_condition(lambda: len(query(stack, landed)) == len(values), 300, "the readings did not land", 2)
    expect(page.get_by_text("In force: detection judges by this table")).to_be_visible()
    key = row_of(stack, patient, "high", "medium")
    page.get_by_role("button", name=f"Switch off {key}", exact=True).click()
    expect(page.get_by_text(f"{key} alert_flag: 1 → 0")).to_be_visible()
    page.get_by_role("button", name="What would this have meant?").click()
    answer = page.locator(".ward-limits-answer")
    expect(answer).to_contain_text(
        "1 episodes would no longer have been mailed about, 0 newly, 0 with another severity."
    )
    told = re.search(
        r"meant ([\d,]+) alarms? and ([\d,]+) emails? instead of ([\d,]+) and ([\d,]+)\.", answer.inner_text()
    )
    assert told is not None, answer.inner_text()
    alarms_after, mails_after, alarms_before, mails_before = (int(number.replace(",", "")) for number in told.groups())
    assert (alarms_before - alarms_after, mails_before - mails_after) == (1, 2), "told of at its begin and at its end"
    assert alarms_after >= 1
    assert mails_after >= 2
    expect(answer).to_contain_text("Replayed: glucose of")


def test_a_row_is_switched_off_and_taken_back_by_keyboard(sign_in: SignIn, patient: str, stack: Settings) -> None:
    page = opened(sign_in("ops"), patient)
    key = row_of(stack, patient, "high", "low")
    page.get_by_role("button", name=f"Switch off {key}", exact=True).press("Enter")
    expect(page.get_by_text(f"{key} alert_flag: 1 → 0")).to_be_visible()
    expect(page.get_by_role("button", name=f"Edit {key}", exact=True)).to_be_focused()
    page.get_by_role("button", name=f"Take back {key}", exact=True).press("Enter")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    expect(page.get_by_role("button", name=f"Edit {key}", exact=True)).to_be_focused()


def test_a_band_is_switched_off_and_on_again_by_undo_and_another_one_is_added(
    sign_in: SignIn, patient: str, stack: Settings
) -> None:
    page = opened(sign_in("ops"), patient)
    key, before = row_of(stack, patient, "high", "low"), own_rows(stack, patient)
    page.get_by_role("button", name=f"Switch off {key}", exact=True).click()
    expect(page.get_by_text(f"{key} alert_flag: 1 → 0")).to_be_visible()
    save(page, "Off for a test")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    assert own_rows(stack, patient)[key] == {**before[key], "alert_flag": "0", "updated_by": "ops"}

    page.get_by_role("button", name=f"History {key}", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("alert_flag: 1 → 0")).to_be_visible()
    page.get_by_role("button", name=f"Undo the last change {key}").click()
    expect(page.get_by_text(f"{key} alert_flag: 0 → 1")).to_be_visible()
    save(page, "On again")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    assert own_rows(stack, patient)[key] == {**before[key], "updated_by": "ops"}

    highest = before[key]["high_value"]
    page.get_by_role("button", name="Add a band", exact=True).click()
    choose(page, "Side", "high")
    page.get_by_label("Lowest value").fill("200.1")
    page.get_by_label("Highest value").fill(highest)
    expect(page.get_by_text(f"direction high, low_value 200.1, high_value {highest}")).to_be_visible()
    page.get_by_role("button", name="Done", exact=True).click()
    expect(page.get_by_label("Lowest value")).to_have_count(0)
    edit(page, key, highest="200")
    expect(page.get_by_text("The table would be right")).to_be_visible()
    save(page, "One more band")
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    after = own_rows(stack, patient)
    (added,) = after.keys() - before.keys()
    assert (after[key]["high_value"], after[added]["low_value"], after[added]["updated_by"]) == ("200", "200.1", "ops")


def test_a_nurse_cannot_open_thresholds_by_its_address(sign_in: SignIn) -> None:
    page = sign_in("nurse")
    answer = page.goto("/thresholds")
    assert answer is not None
    assert answer.status == 403
    assert page.locator(".ward-bands").count() == 0


def test_the_page_fits_a_phone(
    sign_in: SignIn, take_picture: Callable[[Page, str], Path], check_accessible: Callable[[Page], None]
) -> None:
    page = opened(sign_in("ops", phone=True))
    check_fits(page)
    check_accessible(page)
    take_picture(page, "ward-page-thresholds-phone")
