"""The system page in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from infra.servers import all_of
from infra.settings import Settings
from tests.browser.conftest import SignIn, check_fits

LOOK_MS = 120_000
"""A rate needs two looks, which take longer while the machine is busy."""


@pytest.mark.parametrize("phone", [False, True])
def test_ops_see_every_server_and_stream_at_work(
    stack: Settings,
    sign_in: SignIn,
    check_accessible: Callable[[Page], None],
    take_picture: Callable[[Page, str], Path],
    phone: bool,
) -> None:
    page = sign_in("ops", phone)
    page.goto("/system")
    for server in all_of(stack):
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=server.name, exact=True))
        expect(row).to_contain_text("✓ up", timeout=LOOK_MS)
    expect(page.get_by_role("status").filter(has_text="Memory of all")).to_be_visible()
    check_accessible(page)
    check_fits(page)
    take_picture(page, f"system{'-phone' if phone else ''}")


def test_lag_rate_and_progress_of_a_stream_are_numbers_and_the_disks_are_told(sign_in: SignIn) -> None:
    page = sign_in("ops")
    page.goto("/system")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="land-vitals", exact=True))
    cells = row.get_by_role("cell")
    expect(cells.nth(2)).to_have_text(re.compile(r"^[\d,]+$"), timeout=LOOK_MS)
    expect(cells.nth(3)).to_have_text(re.compile(r"^[\d,]+\.\d$"), timeout=LOOK_MS)
    expect(cells.nth(5)).to_have_text(re.compile("ago$"), timeout=LOOK_MS)
    expect(page.get_by_text(re.compile(r"^HDFS: .+ free of .+ used\."))).to_be_visible(timeout=LOOK_MS)
    expect(page.get_by_text(re.compile(r"^Taken by directory: .*mariadb"))).to_be_visible(timeout=LOOK_MS)


def test_the_servers_own_pages_are_linked(stack: Settings, sign_in: SignIn) -> None:
    page = sign_in("ops")
    page.goto("/system")
    for title, port in (
        ("Airflow", stack.ports.airflow),
        ("NameNode", stack.ports.namenode_http),
        ("HBase", stack.ports.hbase_master_http),
        ("HiveServer2", stack.ports.hiveserver2_http),
        ("Inbox", stack.ports.inbox),
    ):
        link = page.get_by_role("link", name=title, exact=True)
        expect(link).to_have_attribute("href", f"http://127.0.0.1:{port}/", timeout=LOOK_MS)


@pytest.mark.parametrize("role", ["nurse", "doctor", "analyst"])
def test_who_does_not_look_after_servers_cannot_open_the_page_by_its_address(sign_in: SignIn, role: str) -> None:
    page = sign_in(role)
    page.goto("/")
    page.get_by_role("button", name="Log out").wait_for()
    expect(page.get_by_role("link", name="System")).to_have_count(0)
    answer = page.goto("/system")
    assert answer is not None
    assert answer.status == 403
    assert "mariadb" not in page.content()
