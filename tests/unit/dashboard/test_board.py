"""The board: the order of the tiles, what they say, and to whom."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson
import pytest
from nicegui import Client
from nicegui.page import page

from alerts.no_signal import signal_key
from clinical.presence import Signal
from dashboard.board.element import EVERY_SECONDS, BoardElement, Rounds
from dashboard.board.shared import NOT_YET, SharedBoard
from dashboard.board.tile import trend_svg
from dashboard.live.state import UNJUDGED, Contact, LiveState
from dashboard.visit import Visit
from tests.unit.dashboard.beds import NOW, Clock, admit, alarm, monitor, observed, reading, score, technical


class Board:
    """A live state and the board over it; `clock` stands still unless a test moves it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.live = LiveState(self.clock)
        self.shared = SharedBoard(self.live, ZoneInfo("Europe/Berlin"))
        self.live.caught_up()
        self.live.set_alarms([])

    def news(self, sees_identity: bool = True, ward: str = "", since: int = 0) -> dict[str, Any]:
        self.clock.ms += 1000
        self.shared.refresh()
        told = self.shared.news(sees_identity, ward, since)
        return {**told, "tiles": orjson.loads(told["tiles"])}

    def tile(self, patient_id: str) -> dict[str, str]:
        parts: dict[str, str] = self.news()["tiles"][patient_id]
        return parts


@pytest.fixture
def board() -> Board:
    return Board()


def test_the_worst_come_first_and_within_a_class_by_ward_and_patient(board: Board) -> None:
    admit(
        board.live, z_fine="A", a_fine="B", b_fine="B", silent="A", medium="A", high="Z", seen="A", news="A", gone="A"
    )
    for patient in ("a_fine", "z_fine", "b_fine", "medium", "high", "seen", "news"):
        monitor(board.live, patient)
    monitor(board.live, "silent", end=NOW - 60_000)
    board.live.take([score("news", NOW, 8)])
    acknowledged = alarm("seen", phase="acknowledged", acknowledged_until=NOW + 600_000)
    board.live.set_alarms([alarm("high"), acknowledged, alarm("medium", "medium")])
    order = board.news()["order"]
    assert order == ["high", "seen", "medium", "silent", "news", "gone", "z_fine", "a_fine", "b_fine"]


def test_tiles_do_not_change_their_places_while_nothing_changes_its_class(board: Board) -> None:
    admit(board.live, **{f"P{number}": "ICU" for number in range(20)})
    for second in range(5):
        for number in range(19, -1, -1):
            live_value = 60 + (number * 7 + second * 13) % 30
            board.live.take([reading(f"P{number}", NOW + second * 1000 + number, heart_rate=live_value)])
        order = board.news()["order"]
        assert order == sorted(order)


def test_a_page_is_sent_only_what_changed(board: Board) -> None:
    admit(board.live, still="ICU", moving="ICU")
    monitor(board.live, "still", end=NOW + 1000)
    monitor(board.live, "moving", end=NOW + 1000)
    first = board.news()
    assert set(first["tiles"]) == {"still", "moving"}
    board.live.take([reading("moving", NOW + 2000, heart_rate=120)])
    second = board.news(since=first["to"])
    assert set(second["tiles"]) == {"moving"}
    assert set(second["tiles"]["moving"]) == {"seen", "v0"}
    assert "120" in second["tiles"]["moving"]["v0"]


def test_a_page_that_missed_something_is_told_all_of_it(board: Board) -> None:
    monitor(board.live, "P")
    first = board.news()
    for value in (80, 90, 100):
        board.live.take([reading("P", board.clock.ms, heart_rate=value)])
        board.news()
    late = board.news(since=first["to"])
    assert "100" in late["tiles"]["P"]["v0"]


def test_pages_that_lack_the_same_are_told_by_one_text_until_something_changes(board: Board) -> None:
    monitor(board.live, "P")
    version = board.news()["to"]
    told = board.shared.news(True, "", 0)
    assert board.shared.news(True, "", 0)["tiles"] is told["tiles"]
    assert board.shared.news(False, "", 0)["tiles"] is not told["tiles"]
    assert orjson.loads(board.shared.news(True, "", version)["tiles"]) == {}
    board.live.take([reading("P", board.clock.ms, heart_rate=120)])
    assert "120" in board.news()["tiles"]["P"]["v0"]


def test_only_the_chosen_ward_is_sent_and_counted(board: Board) -> None:
    admit(board.live, one="ICU", other="General")
    monitor(board.live, "one")
    monitor(board.live, "other")
    board.live.set_alarms([alarm("other")])
    news = board.news(ward="ICU")
    assert (news["order"], set(news["tiles"]), news["counts"]["high"]) == (["one"], {"one"}, 0)
    assert news["wards"] == [("General", 1), ("ICU", 1)]


def test_a_patient_who_comes_from_another_ward_is_sent_as_a_whole(board: Board) -> None:
    admit(board.live, moved="A", there="B")
    for patient in ("moved", "there"):
        monitor(board.live, patient, end=NOW + 1000)
    board.live.set_alarms([alarm("moved")])
    before = board.news(ward="B")
    assert before["order"] == ["there"]
    admit(board.live, moved="B", there="B")
    for sees_identity in (True, False):
        news = board.news(sees_identity, "B", before["to"])
        assert (news["order"], set(news["tiles"])) == (["moved", "there"], {"moved"})
        assert news["tiles"]["moved"] == board.news(sees_identity)["tiles"]["moved"]
        assert "ward-t-high" in news["tiles"]["moved"]["looks"]
        assert "HIGH" in news["tiles"]["moved"]["state"]


def test_whoever_was_discharged_by_mistake_has_a_red_tile_in_the_ward_of_the_alarm(board: Board) -> None:
    admit(board.live, P="ICU")
    monitor(board.live, "P", spo2=82)
    board.live.set_contacts({}, ["P"])
    assert board.news(ward="ICU")["order"] == []
    board.live.set_alarms([technical("battery_low", "battery_low:P", ward="General"), alarm("P")])
    news = board.news(ward="ICU")
    assert "ward-t-high" in news["tiles"]["P"]["looks"]
    assert news["counts"]["high"] == 1


def test_what_patients_are_called_is_text_and_no_html(board: Board) -> None:
    evil = "<script>alert(1)</script>"
    patient = 'P"><img src=x onerror=alert(1)>'
    board.live.set_contacts({patient: Contact(evil, f"<b>{evil}")}, ())
    monitor(board.live, patient)
    board.live.set_alarms(
        [
            alarm(patient, attribute="<i>odd", direction="high", phase="acknowledged", acknowledged_by=evil),
            technical("battery_low", f"battery_low:{patient}"),
        ]
    )
    html = "".join(board.tile(patient).values())
    assert "&lt;script&gt;" in html
    assert "&lt;i&gt;odd" in html
    for forbidden in ("<script", "<img", "<i>", "<b>&lt;", 'P">'):
        assert forbidden not in html


def test_an_analysts_page_is_sent_nothing_that_identifies(board: Board) -> None:
    board.live.set_contacts({"P1": Contact("Zoë Łukasz", "ICU")}, ())
    monitor(board.live, "P1")
    board.live.set_alarms([alarm("P1", phase="acknowledged", acknowledged_by="Dr Known")])
    nameless = orjson.dumps(board.news(sees_identity=False)).decode()
    named = orjson.dumps(board.news(sees_identity=True)).decode()
    for name in ("Zoë", "Łukasz", "Dr Known"):
        assert name in named
        assert name not in nameless
    assert "acknowledged" in nameless
    assert "P1" in nameless


def test_a_silent_device_cannot_be_mistaken_for_all_is_well(board: Board) -> None:
    admit(board.live, P="ICU")
    monitor(board.live, "P", end=NOW - 60_000)
    tile = board.tile("P")
    assert "NO SIGNAL since" in tile["state"]
    assert "no alarm" not in tile["state"]
    assert "ward-t-nosignal" in tile["looks"]
    assert board.news()["counts"]["silent"] == 1


def test_whoever_is_admitted_and_sends_nothing_has_no_signal(board: Board) -> None:
    admit(board.live, P="ICU")
    assert "NO SIGNAL for more than 15 min" in board.tile("P")["state"]
    assert board.news()["counts"] == {"beds": 1, "high": 0, "medium": 0, "silent": 1}


def test_nobody_looks_silent_while_what_was_sent_before_a_start_is_being_read() -> None:
    live = LiveState(Clock())
    admit(live, P="ICU")
    shared = SharedBoard(live, ZoneInfo("UTC"))
    shared.refresh()
    news = shared.news(True, "", 0)
    assert (news["order"], news["counts"]["silent"]) == ([], 0)
    assert news["problems"] == [NOT_YET]


def test_after_a_restart_the_open_alarm_tells_since_when_there_is_no_signal(board: Board) -> None:
    admit(board.live, P="ICU")
    board.live.set_alarms([technical("no_signal", signal_key(Signal("P")), started_at=NOW - 3_600_000)])
    assert "NO SIGNAL since 21:00" in board.tile("P")["state"]


def test_a_signal_that_is_back_shows_values_though_its_alarm_has_not_ended_yet(board: Board) -> None:
    monitor(board.live, "P")
    board.live.set_alarms([technical("no_signal", signal_key(Signal("P")))])
    assert "NO SIGNAL" not in board.tile("P")["state"]


def test_a_lost_value_says_so_in_its_place(board: Board) -> None:
    monitor(board.live, "P", end=NOW - 40_000)
    monitor(board.live, "P", seconds=39, heart_rate=70)
    tile = board.tile("P")
    assert "NO VALUE" in tile["v1"]
    assert "NO VALUE" not in tile["v0"]
    assert "Oxygen saturation: no value since" in tile["state"]


def test_a_value_that_was_measured_long_ago_says_so_though_it_came_just_now(board: Board) -> None:
    late = replace(reading("P", NOW - 7_200_000, spo2=99), inserted_at=NOW)
    board.live.take([reading("P", NOW, heart_rate=70), late])
    tile = board.tile("P")
    assert "2 h ago" in tile["v1"]
    assert "ward-quiet" in tile["v1"]
    assert "ago" not in tile["v0"]


def test_a_high_alarm_is_told_by_colour_shape_and_text_and_marks_its_value(board: Board) -> None:
    monitor(board.live, "P", spo2=82)
    board.live.set_alarms([alarm("P")])
    tile = board.tile("P")
    assert "ward-t-high" in tile["looks"]
    for part in ("ward-a-high", "▲", "HIGH", "Oxygen saturation low, last 82 %"):
        assert part in tile["state"]
    assert "▲" in tile["v1"]
    board.live.set_alarms([])
    tile = board.tile("P")
    assert "ward-t-fine" in tile["looks"]
    assert "▲" not in tile["v1"]


def test_an_acknowledged_alarm_says_until_when_and_by_whom(board: Board) -> None:
    monitor(board.live, "P")
    board.live.set_alarms([alarm("P", phase="acknowledged", acknowledged_by="Dr A", acknowledged_until=NOW + 60_000)])
    tile = board.tile("P")
    assert "acknowledged until" in tile["state"]
    assert "by Dr A" in tile["state"]
    assert "ward-t-acknowledged" in tile["looks"]


def test_a_partial_score_is_marked(board: Board) -> None:
    monitor(board.live, "P")
    board.live.take([score("P", NOW, 3, used=6)])
    assert "≥ 3" in board.tile("P")["score"]
    assert "partial" in board.tile("P")["score"]


def test_oxygen_and_altered_consciousness_are_told_beside_the_score(board: Board) -> None:
    monitor(board.live, "P")
    board.live.take([observed("P", NOW, on_oxygen=0, consciousness=0)])
    assert "abbr" not in board.tile("P")["score"]
    board.live.take([observed("P", NOW + 1000, on_oxygen=1, consciousness=1)])
    score = board.tile("P")["score"]
    assert 'title="on oxygen">O₂</abbr>' in score
    assert 'title="new confusion">C</abbr>' in score
    assert "ago" not in score
    board.clock.ms += 300_000
    assert board.tile("P")["score"].count("5 min ago") == 2


def test_nothing_is_said_to_be_well_while_the_alarms_cannot_be_read(board: Board) -> None:
    monitor(board.live, "P", end=NOW)
    board.live.set_problem("alarms", "The alarms cannot be read.")
    for second in range(15):
        board.live.take([reading("P", NOW + second * 1000, heart_rate=70)])
        news = board.news()
    assert news["problems"] == ["The alarms cannot be read."]
    tile = board.tile("P")
    assert "no alarm" not in tile["state"]
    assert "ward-t-fine" not in tile["looks"]


@pytest.mark.parametrize("source", UNJUDGED)
def test_nothing_is_said_to_be_well_while_readings_are_not_judged_or_scores_not_computed(
    board: Board, source: str
) -> None:
    monitor(board.live, "P", end=NOW)
    assert "no alarm" in board.tile("P")["state"]
    board.live.set_problem(source, "It hangs.")
    tile = board.tile("P")
    assert "no alarm" not in tile["state"]
    assert "ward-t-fine" not in tile["looks"]


def test_alarms_that_were_read_before_the_clock_was_set_back_say_nothing_of_now(board: Board) -> None:
    board.clock.ms -= 3_600_000
    monitor(board.live, "P", end=board.clock.ms)
    board.live.caught_up()
    assert "no alarm" not in board.tile("P")["state"]
    board.live.set_alarms([])
    assert "no alarm" in board.tile("P")["state"]


def test_a_trend_is_as_high_as_its_values_differ_and_flat_where_they_do_not() -> None:
    assert trend_svg([70], 12) == ""
    flat = trend_svg([70] * 20, 12)
    assert {point.split(",")[1] for point in flat.split('points="')[1].split('"')[0].split()} == {"10"}
    steep = [point.split(",")[1] for point in trend_svg([40, 160], 12).split('points="')[1].split('"')[0].split()]
    assert steep == ["19", "1"]


def test_news_that_wait_to_be_sent_stay_what_they_were(board: Board) -> None:
    """The library keeps what it is to send as the element gave it, and sends it later."""

    async def queued() -> tuple[dict[str, Any], dict[str, Any]]:
        house = SimpleNamespace(live=board.live, zone=ZoneInfo("Europe/Berlin"))
        with Client(page("/board")):
            element = BoardElement(cast(Visit, SimpleNamespace(house=house, sees_identity=True)), "")
            first = element._to_dict()
            element._props["news"] = {"later": True}
            return first, element._to_dict()

    first, second = asyncio.run(queued())
    assert first["props"]["news"]["from"] == 0
    assert second["props"]["news"] == {"later": True}


def test_all_pages_are_woken_by_the_same_look_at_what_came(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    monkeypatch.setattr(board.shared, "refresh", lambda: looked.append(time.monotonic()))

    async def woken() -> list[float]:
        rounds = Rounds(board.shared)

        async def page(after: float) -> float:
            await asyncio.sleep(after)
            await rounds.next()
            return time.monotonic()

        return await asyncio.gather(*(page(EVERY_SECONDS * share) for share in (0, 0.1, 0.2)))

    pages = asyncio.run(woken())
    assert len(looked) == 1
    assert min(pages) >= looked[0]


def test_a_page_that_is_closed_does_not_end_the_waiting_of_others(board: Board) -> None:
    async def goes_on() -> bool:
        rounds = Rounds(board.shared)
        first, second = (asyncio.create_task(rounds.next()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        return first.cancelled()

    assert asyncio.run(goes_on())
    assert board.shared.news(True, "", 0)["to"] > 1
