"""What an open board shows and how late, that nothing may be lacking on any, and when detection felt it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest

from alerts.alarms_table import AlarmRow
from bench.boards import BoardView, Inserted, delays_ms, read_page, read_query, require_known
from bench.held import Held
from bench.page import RATIO, TINY, Span, Spans, behind, report
from bench.page_looks import ACT, ALARMS_READY, READING, Looks, OpenPage, as_shown
from bench.watching import Cost, Seen
from dashboard.alarms.look import Seen as AlarmsSeen
from dashboard.alarms.view import Eyes, line_of
from infra.errors import WardError
from tests.unit.alerts.alarms_looked_at import alarm_row

LOAD = Held(200, 20_000, 100.0, 0.0)
LOOKS = Looks([100.0, 300.0, 200.0], [400.0], [900.0, 2500.0], [700.0, 1999.0])
PATIENTS = ["W-1", "W-2"]
READINGS = [Inserted(1, "W-1", 1_000), Inserted(2, "W-2", 1_005), Inserted(3, "W-1", 1_500)]
ROWS = np.array(
    [
        (0, 0, 1_500, 1_600),
        (0, 1, 1_005, 1_600),
        (1, 0, 1_000, 1_100),
        (1, 0, 1_500, 1_900),
        (1, 1, 1_005, 1_105),
    ]
)


def news(since: int, to: int, **seen: str) -> dict[str, Any]:
    tiles = {patient.replace("_", "-"): {"looks": "ward-tile", "seen": at} for patient, at in seen.items()}
    return {"from": since, "to": to, "tiles": orjson.dumps(tiles).decode()}


def span(delays: list[int], cores: float = 0.2, memory: int = 150_000_000, late: list[int] | None = None) -> Span:
    costs = [Cost(0.0, {}, 0.0), Cost(10.0, {"ward-page": 10 * cores, "open boards": 1.0}, 10.0)]
    found = None if late is None else np.array([late, late])
    return Span(Seen({}, costs, {"ward-page": memory}, delays), found, TINY.patients)


def met(spans: Spans) -> dict[str, bool | None]:
    return {one.name: one.met for one in report(spans, LOOKS, LOAD, vars(TINY)).figures}


def test_a_page_s_board_and_how_it_connects_are_read_from_its_html() -> None:
    elements = {"0": {"tag": "q-layout", "props": {}}, "7": {"props": {"news": news(0, 3, W_1="5"), "ward": "<&>"}}}
    written = orjson.dumps(elements).decode().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = (
        f"<script>const app = createApp(parseElements(String.raw`{written}`), {{\n"
        "        query: {'client_id': 'a-b', 'next_message_id': 0, 'implicit_handshake': True},\n      });</script>"
    )
    page = read_page(text)
    assert (page.element, page.query["client_id"], page.query["next_message_id"]) == ("7", "a-b", 0)
    assert page.news == news(0, 3, W_1="5")


def test_a_page_without_a_board_is_an_error() -> None:
    with pytest.raises(WardError, match="no board in it; it begins with: '<html>Log in"):
        read_page("<html>Log in</html>")
    with pytest.raises(WardError, match="no page that is live; it begins with: '<html>Log in"):
        read_query("<html>Log in</html>")


def test_a_board_knows_the_newest_reading_of_each_patient_and_takes_nothing_twice() -> None:
    board = BoardView()
    assert board.take(news(0, 2, W_1="1000", W_2="")) == [("W-1", 1000)]
    assert board.take(news(2, 3, W_2="1005")) == [("W-2", 1005)]
    assert board.take(news(2, 3, W_2="1005")) == []
    assert board.shown == {"W-1": 1000, "W-2": 1005}


def test_a_message_that_a_board_missed_is_an_error() -> None:
    board = BoardView()
    board.take(news(0, 2))
    with pytest.raises(WardError, match="version 2 and was sent what is new since 3"):
        board.take(news(3, 4))


def test_a_reading_is_as_late_as_the_first_message_with_it_or_a_newer_one() -> None:
    assert delays_ms(READINGS, PATIENTS, ROWS, boards=2).tolist() == [[600, 595, 100], [100, 100, 400]]


def test_a_reading_that_one_board_lacks_is_an_error() -> None:
    further = [*READINGS, Inserted(4, "W-2", 1_600)]
    with pytest.raises(WardError, match="Board 0 has not shown reading 4 of W-2"):
        delays_ms(further, PATIENTS, ROWS, boards=2)
    with pytest.raises(WardError, match="Board 2 has not shown reading 1 of W-1"):
        delays_ms(READINGS, PATIENTS, ROWS, boards=3)
    with pytest.raises(WardError, match="No board has shown anything of W-9"):
        delays_ms([Inserted(5, "W-9", 1_600)], PATIENTS, ROWS, boards=2)


def test_a_board_that_shows_a_reading_that_nobody_inserted_is_an_error() -> None:
    require_known(READINGS, PATIENTS, ROWS)
    with pytest.raises(WardError, match="a reading of W-1, inserted at 1500, that there is not"):
        require_known(READINGS[:2], PATIENTS, ROWS)


def test_patients_are_behind_until_their_newest_reading_or_a_later_one_is_shown() -> None:
    assert behind({"W-1": 1_500, "W-2": 1_005, "W-3": 7}, {"W-1": 1_499, "W-2": 1_010}) == ["W-1", "W-3"]


def test_detection_feels_the_boards_when_its_median_grows_by_more_than_a_tenth() -> None:
    without = [span([100, 100, 900]), span([100])]
    assert met(Spans(without, [span([109, 5, 400], late=[700])]))[RATIO] is True
    assert met(Spans(without, [span([112, 112, 112], late=[700])]))[RATIO] is False


def test_no_breach_at_all_is_no_proof() -> None:
    assert met(Spans([span([])], [span([100], late=[700])]))[RATIO] is False


def test_a_server_or_an_update_above_its_limit_is_told_as_missed() -> None:
    fine = met(Spans([span([100])], [span([100], late=[700])]))
    assert False not in fine.values()
    poor = met(Spans([span([100])], [span([100], cores=0.6, memory=501_000_000, late=[2_100]), span([100], late=[1])]))
    assert [name for name, is_met in poor.items() if is_met is False] == [
        "commit to board, p99",
        "memory of the server",
    ]


def test_the_other_pages_are_told_by_their_median_and_longest_and_an_act_that_is_seen_late_is_told_as_missed() -> None:
    fine = {one.name: one for one in LOOKS.figures()}
    assert (fine[ALARMS_READY].value, fine[READING].value) == ("200, 300 ms", "1,700, 2,500 ms")
    assert (fine[ACT].value, fine[ACT].met) == ("1,350, 1,999 ms", True)
    late = {one.name: one for one in replace(LOOKS, act=[700.0, 2000.0]).figures()}
    assert late[ACT].met is False


def test_what_a_page_is_awaited_to_show_is_known_by_its_text_from_the_moment_when_it_is_awaited() -> None:
    async def run() -> tuple[int, bool]:
        page = OpenPage()
        page.hear("update", {"_id": 1, "7": {"text": "<td>90.1</td>"}}, 1000)
        shown = page.until("<td>90.1</td>")
        page.hear("update", {"_id": 2, "7": {"text": "<td>90.2</td>"}}, 2000)
        page.hear("other", {"_id": 3, "7": {"text": "<td>90.1</td>"}}, 3000)
        page.hear("update", {"_id": 4, "7": {"text": "<td>90.1</td>"}}, 4000)
        page.hear("update", {"_id": 5, "7": {"text": "<td>90.1</td>"}}, 5000)
        another = page.until("more")
        page.forget()
        page.end()
        return await shown, another.cancelled()

    assert asyncio.run(run()) == (4000, True)


def test_a_page_that_the_server_closes_ends_the_waiting() -> None:
    async def run() -> None:
        page = OpenPage()
        shown = page.until("more")
        page.end()
        with pytest.raises(WardError, match="closed a page's websocket"):
            await shown

    asyncio.run(run())


def test_an_acknowledgement_is_recognised_by_what_the_alarms_page_says_of_it_and_not_by_that_of_another_alarm() -> None:
    zone, eyes = ZoneInfo("Europe/Oslo"), Eyes(identity=True, acts=True)
    alarm = alarm_row()
    acknowledged = replace(alarm, phase="acknowledged", acknowledged_by="bench-1", acknowledged_until=alarm.started_at)

    async def is_shown(*alarms: AlarmRow) -> bool:
        page = OpenPage()
        shown = page.until(as_shown("bench-1", alarm, zone))
        states = [line_of(one, AlarmsSeen(), (), eyes, zone).state for one in alarms]
        page.hear("update", {str(number): {"text": text} for number, text in enumerate(states)}, 7)
        found = shown.done()
        page.forget()
        return found

    other = replace(acknowledged, started_at=alarm.started_at + 60_000)
    assert asyncio.run(is_shown(acknowledged))
    assert not asyncio.run(is_shown(alarm, other))
    assert not asyncio.run(is_shown(replace(acknowledged, acknowledged_by="bench-2")))
