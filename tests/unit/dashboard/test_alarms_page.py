"""That there is no alarm is good news only while readings come and somebody judges."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import pytest

from dashboard.alarms.look import Seen
from dashboard.live.state import OF_ALARMS
from dashboard.pages.alarms import HEADLINES, NOT_KNOWN, AlarmsPage
from dashboard.roles import Role
from infra.errors import UnavailableError
from tests.unit.dashboard.beds import Clock
from tests.unit.dashboard.built import built
from tests.unit.dashboard.visits import visit_of

GOOD_NEWS = {place: HEADLINES[place][1] for place in NOT_KNOWN}


async def renewed(page: AlarmsPage) -> dict[str, str]:
    await page.renew()
    return said(page)


def said(page: AlarmsPage) -> dict[str, str]:
    return {place: page._rows[place]._empty.text for place in NOT_KNOWN}


def test_a_list_without_alarms_says_so_only_while_that_is_known(tmp_path: Path) -> None:
    visit = visit_of(Role.ANALYST, tmp_path)
    live, look = visit.house.live, AsyncMock(return_value=Seen())
    live.clock = Clock()
    live.heard(live.clock())

    async def open_page() -> None:
        with built():
            page = AlarmsPage(visit, "ICU")
            page._look = MagicMock(**{"everything.get": look})
            assert await renewed(page) == NOT_KNOWN, "there is no such ward"
            look.return_value = Seen(wards=("ICU",))
            assert await renewed(page) == GOOD_NEWS
            page = AlarmsPage(visit)
            page._look = MagicMock(**{"everything.get": look})
            assert await renewed(page) == GOOD_NEWS
            for source in OF_ALARMS:
                live.set_problem(source, "It is away.")
                assert await renewed(page) == NOT_KNOWN
                live.set_problem(source, None)
                assert await renewed(page) == GOOD_NEWS
            look.side_effect = UnavailableError("MySQL", "127.0.0.1:1", "refused")
            with pytest.raises(UnavailableError):
                await page.renew()
            assert said(page) == NOT_KNOWN

    asyncio.run(open_page())


def test_a_list_without_alarms_is_no_good_news_while_the_data_is_old(tmp_path: Path) -> None:
    visit, clock = visit_of(Role.ANALYST, tmp_path), Clock()
    visit.house.live.clock = clock

    async def open_page() -> None:
        with built():
            page = AlarmsPage(visit)
            page._look = MagicMock(**{"everything.get": AsyncMock(return_value=Seen())})
            assert await renewed(page) == NOT_KNOWN, "no reading has come since the start"
            visit.house.live.heard(clock())
            clock.ms += round(visit.house.settings.dashboard.stale_seconds * 1000)
            assert await renewed(page) == GOOD_NEWS
            clock.ms += 1
            assert await renewed(page) == NOT_KNOWN
            visit.house.live.heard(clock())
            assert await renewed(page) == GOOD_NEWS

    asyncio.run(open_page())
