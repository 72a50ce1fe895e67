"""The benchmark of the ward page at a tiny size: every reading is on every board, the other pages show what is new, and
nothing of it is left."""

from __future__ import annotations

import pytest

from bench import page
from bench.figures import Size
from infra.settings import Settings
from tests.stack.leftovers import assert_nothing_is_left

pytestmark = pytest.mark.leaves_streams


def test_every_open_board_shows_every_patient_s_last_reading_and_other_pages_what_is_new(stack: Settings) -> None:
    report = page.measure(Size(seed=1, tiny=True, say=print))
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures[page.ON_EVERY_BOARD] == "5 of 5, on 2 boards"
    assert int(figures[page.CAME].replace(",", "")) > page.TINY.seconds
    [seen] = report.details["spans_open"]
    assert seen["server_memory_mb"] > 50
    looks = report.details["other_pages_ms"]
    assert {name: len(took) for name, took in looks.items()} == dict.fromkeys(looks, page.TINY.looks)
    assert {page.SERVER, page.CLIENT, page.WRITER} <= seen["cores"].keys()
    assert_nothing_is_left(stack)
