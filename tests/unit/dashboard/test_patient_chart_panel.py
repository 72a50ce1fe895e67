"""What a page's chart and alarms say while what they show cannot be read, with stand-ins for their elements."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from dashboard.following import SLOW
from dashboard.live.state import OF_ALARMS
from dashboard.patient import chart_panel
from dashboard.patient.alarms_panel import AlarmsPanel
from dashboard.patient.chart_panel import ChartPanel, Shown, oldest_seconds
from dashboard.patient.curve import Curve, Span
from dashboard.patient.hourly import ANSWER_SECONDS
from dashboard.patient.html import NOT_KNOWN
from dashboard.roles import Role
from infra.errors import UnavailableError, WardError
from tests.unit.dashboard.beds import Clock
from tests.unit.dashboard.built import built
from tests.unit.dashboard.visits import visit_of

FOUND = Shown(Curve("spo2", Span.HOUR, 0, 3_600_000), [], True, [])


class Panel(ChartPanel):
    """Reads what `read` gives; what it shows goes nowhere."""

    def __init__(self, directory: Path, read: Callable[[], Shown]) -> None:
        super().__init__(visit_of(Role.NURSE, directory), MagicMock(), "p", lambda: None)
        self._read_one = read
        self._vital, self._span = MagicMock(value="spo2"), MagicMock(value=Span.HOUR.name)
        for name in ("_loading", "_loading_text", "_place", "_summary", "_bands", "_alarms"):
            setattr(self, name, MagicMock())

    def _read(self, attribute: str, span: Span) -> Shown:
        return self._read_one()

    def _show(self, found: Shown) -> None:
        self._shown = found

    async def again(self) -> None:
        await self._look()


def alarms_told(panel: Panel) -> str:
    return str(cast(MagicMock, panel._alarms).set_content.call_args[0][0])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = MagicMock(**{"monotonic.return_value": 1000.0})
    monkeypatch.setattr(chart_panel, "time", made)
    return made.monotonic


def test_an_error_is_told_at_each_look_until_a_read_succeeds_or_something_else_is_chosen(
    tmp_path: Path, clock: Any
) -> None:
    answers: list[Shown | WardError] = [FOUND, UnavailableError("HBase Thrift", "127.0.0.1:1", "refused"), FOUND]

    def read() -> Shown:
        answer = answers.pop(0)
        if isinstance(answer, WardError):
            raise answer
        return answer

    async def look() -> None:
        panel = Panel(tmp_path, read)
        await panel._look()
        clock.return_value += 3
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await panel._look()
        await panel._choose()

    asyncio.run(look())
    assert not answers


def test_while_a_read_hangs_a_chart_that_is_too_old_says_so(
    tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    answer.set()

    def read() -> Shown:
        answer.wait()
        return FOUND

    async def look() -> None:
        panel = Panel(tmp_path, read)
        await panel._look()
        monkeypatch.setattr(chart_panel, "WAIT_SECONDS", 0.01)
        answer.clear()
        clock.return_value += oldest_seconds(Span.HOUR)
        await panel._look()
        clock.return_value += 1
        with pytest.raises(WardError, match=SLOW):
            await panel._look()
        answer.set()
        while panel._reading is not None:
            await panel._read_on()
        await panel._look()

    asyncio.run(look())


@pytest.mark.parametrize("source", OF_ALARMS)
def test_that_no_alarm_is_open_is_no_good_news_while_nobody_judges(tmp_path: Path, source: str) -> None:
    visit, room = visit_of(Role.NURSE, tmp_path), MagicMock(**{"sources.open_alarms.return_value": []})
    panel, shown = AlarmsPanel(visit, room, "p"), MagicMock()
    panel._list = shown
    visit.house.live.clock = Clock()
    visit.house.live.heard(visit.house.live.clock())

    def said() -> str:
        asyncio.run(panel._look())
        return str(shown.set_content.call_args[0][0])

    assert "✓" in said()
    visit.house.live.set_problem(source, "Nobody judges.")
    assert said() == f"<p>{NOT_KNOWN}</p>"
    visit.house.live.set_problem(source, None)
    room.sources.open_alarms.side_effect = UnavailableError("MySQL", "127.0.0.1:1", "refused")
    with pytest.raises(UnavailableError):
        said()
    assert shown.set_content.call_args[0][0] == f"<p>{NOT_KNOWN}</p>"


def test_a_chart_without_alarms_calls_that_good_news_only_while_somebody_judges(tmp_path: Path) -> None:
    panel = Panel(tmp_path, lambda: FOUND)
    live = panel._visit.house.live
    live.clock = Clock()
    live.heard(live.clock())
    asyncio.run(panel._look())
    assert "✓" in alarms_told(panel)
    live.set_problem("judging", "Nobody judges.")
    asyncio.run(panel._look())
    assert "✓" not in alarms_told(panel)


def test_that_there_is_no_alarm_is_no_good_news_while_the_data_is_old(tmp_path: Path) -> None:
    chart = Panel(tmp_path, lambda: FOUND)
    visit, room = chart._visit, MagicMock(**{"sources.open_alarms.return_value": []})
    list_of_open, shown, clock = AlarmsPanel(visit, room, "p"), MagicMock(), Clock()
    list_of_open._list, visit.house.live.clock = shown, clock

    def told() -> set[str]:
        asyncio.run(list_of_open._look())
        asyncio.run(chart._look())
        return {str(shown.set_content.call_args[0][0]), alarms_told(chart)}

    assert told() == {f"<p>{NOT_KNOWN}</p>"}, "no reading has come since the start"
    visit.house.live.heard(clock())
    assert all("✓" in one for one in told())
    clock.ms += round(visit.house.settings.dashboard.stale_seconds * 1000) + 1
    assert told() == {f"<p>{NOT_KNOWN}</p>"}


def test_that_there_were_more_alarms_than_are_shown_is_said(tmp_path: Path) -> None:
    panel = Panel(tmp_path, lambda: replace(FOUND, alarms_are_cut=True))
    asyncio.run(panel._look())
    assert "There were more than 0: the newest are shown." in alarms_told(panel)


@pytest.mark.parametrize(
    ("vital", "span", "chosen"),
    [
        ("heart_rate", "TWO_DAYS", ("heart_rate", "TWO_DAYS")),
        ("", "", ("spo2", "HOUR")),
        ("<b>", "1 hour", ("spo2", "HOUR")),
    ],
)
def test_the_address_chooses_vital_and_span_if_there_are_such(
    tmp_path: Path, vital: str, span: str, chosen: tuple[str, str]
) -> None:
    async def chosen_at_first() -> tuple[object, object]:
        with built():
            panel = ChartPanel(visit_of(Role.NURSE, tmp_path), MagicMock(), "p", lambda: None, vital, span)
            panel._lay_out()
            return panel._vital.value, panel._span.value

    assert asyncio.run(chosen_at_first()) == chosen


def test_a_month_may_be_as_old_as_hive_takes() -> None:
    assert oldest_seconds(Span.MONTH) > ANSWER_SECONDS
    assert oldest_seconds(Span.HOUR) < 30
