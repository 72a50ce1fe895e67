"""Every page without a mouse: Tab comes to each of its controls, and shows where it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.beds import ILL, SEEN_MS, Bed
from tests.browser.conftest import SignIn

PAGES = {
    "/board": "Ward board",
    "/alarms": "Alarms",
    "/patients": "Patients",
    "/compare": "Compare",
    "/thresholds": "Thresholds",
    "/system": "System",
}
CONTROLS = "a[href], button, input, select, textarea, [role=button], [role=combobox], [tabindex='0']"
MISSED = f"""() => [...document.querySelectorAll(`{CONTROLS}`)].filter(one =>
    !one.dataset.reached && one.tabIndex >= 0 && !one.disabled && one.checkVisibility({{visibilityProperty: true}})
    && !one.closest("[inert], [aria-hidden=true]")
    ).map(one => one.outerHTML.slice(0, 200))"""
"""What can be acted on and has not had the focus yet."""

REACH = """() => {
    const one = document.activeElement
    if (one === document.body) return ""
    one.dataset.reached = "yes"
    const shows = getComputedStyle(one).outlineStyle !== "none" || one.closest(".q-field--focused")
    return shows ? "" : one.outerHTML.slice(0, 200)
}"""
"""Note that the focused control was reached; itself, when nothing shows that it is. A field's frame changes colour."""

AT_MOST = 3000


def unseen_on_the_way(page: Page) -> list[str]:
    """Press Tab until every control was reached; those that did not show that they had the focus. Fails with those that
    Tab does not come to."""
    unseen = []
    for step in range(AT_MOST):
        page.keyboard.press("Tab")
        if control := page.evaluate(REACH):
            unseen.append(control)
        if step % 20 == 19 and not page.evaluate(MISSED):
            return unseen
    pytest.fail(f"Tab does not come to {page.evaluate(MISSED)[:5]}")


def test_every_control_of_every_page_is_reached_by_tab_and_shows_it(sign_in: SignIn, bed: Bed) -> None:
    bed.spo2 = ILL
    page = sign_in("admin")
    late = {
        "/board": bed.tile(page),
        "/alarms": page.get_by_role("button", name="Acknowledge").first,
        "/patients": page.get_by_role("link", name=bed.patient_id),
        "/thresholds": page.locator(".ward-bands"),
    }
    unseen = {}
    for path, title in PAGES.items():
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        if path in late:
            expect(late[path]).to_be_visible(timeout=SEEN_MS)
        unseen[path] = unseen_on_the_way(page)
    assert unseen == {path: [] for path in PAGES}


def test_a_patient_is_found_and_opened_by_keyboard(
    sign_in: SignIn, bed: Bed, check_accessible: Callable[[Page], None]
) -> None:
    page = sign_in("nurse")
    page.goto("/patients")
    page.get_by_label("Find an id, a name or a ward").focus()
    page.keyboard.type(bed.patient_id)
    expect(page.get_by_role("table").get_by_role("link")).to_have_text([bed.patient_id])
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == bed.patient_id:
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2, name=bed.patient_id)).to_be_visible()
    check_accessible(page)
    assert unseen_on_the_way(page) == []
