"""The alarms page and a patient's page, open beside the load: how soon they are there, and how soon they show what is
new.

Ready: from the request until the page with all that it shows at first has come and its websocket stands; what a browser
takes to draw it is not in it. What is new on the patient's page is a reading of somebody who has no monitor, from its
commit; on the alarms page, what somebody else does: from the moment that an alarm is acknowledged by the function of
the page's own button, with the audit and the alert engine's answer in it, until another open page shows it.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from alerts.ack_desk import MysqlDesk
from alerts.alarms_table import AlarmRow, Choice, list_alarms
from alerts.entries import as_moment, zone_of
from bench.boards import read_query
from bench.figures import Figure
from bench.own_ward import OwnWard
from bench.page_socket import connect, fetch, headers_of
from clinical.vitals import VITALS
from dashboard.accounts import Account, Accounts
from dashboard.alarms.acts import AckForm, acknowledge
from dashboard.database import alerts_cursor
from dashboard.house import House
from dashboard.live.state import LiveState
from dashboard.roles import Role
from dashboard.throttle import Throttle
from dashboard.visit import Visit
from infra.clients import devices_connection
from infra.errors import UnavailableError, WardError
from infra.settings import Settings
from producers.simulator.writer import TABLES

SEEN_MS = 2000.0
SEEN_SECONDS, ALARM_SECONDS = 60.0, 300.0
"""How long is waited until a page shows something, and for an alarm of the ward that nobody has acknowledged."""

ACK_MINUTES, ALARMS_MOST = 10, 500
PAUSE_SECONDS = 2.0
"""At most so long, by chance, is waited before each thing that is new: else all of it would keep step with the page."""

VITAL = "glucose"
FIRST, STEP = 90.0, 0.1
"""Values that alarm nobody, each another one."""

ALARMS_READY, PATIENT_READY = "alarms page ready, p50, longest", "a patient's page ready, p50, longest"
READING = "commit to the patient's page, p50, longest"
ACT = "acknowledged by one until on another's page, p50, longest"


@dataclass
class Looks:
    """Milliseconds, of each time."""

    alarms_ready: list[float] = field(default_factory=list)
    patient_ready: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)
    act: list[float] = field(default_factory=list)

    def figures(self) -> list[Figure]:
        """Lines of the table."""
        longest = max(self.act)
        return [
            Figure(ALARMS_READY, _pair(self.alarms_ready)),
            Figure(PATIENT_READY, _pair(self.patient_ready)),
            Figure(READING, _pair(self.reading)),
            Figure(ACT, _pair(self.act), f"under {SEEN_MS:,.0f} ms", longest < SEEN_MS),
        ]


def look(settings: Settings, ward: OwnWard, cookie: str, times: int, seed: int) -> Looks:
    """Open each page so many times, and let each be shown so many things; the account is called as the ward is.

    Raises WardError when a page does not open, is ended or does not show something, and when the ward has no alarm.
    """
    return asyncio.run(_look(settings, ward, headers_of(settings, cookie), times, random.Random(seed)))


async def _look(
    settings: Settings, ward: OwnWard, headers: Mapping[str, str], times: int, chance: random.Random
) -> Looks:
    looks, patient_id = Looks(), f"{ward.name}:watched"
    alarms, patient = f"/alarms?ward={quote(ward.name)}", f"/patients/{quote(patient_id, safe='')}"
    await asyncio.to_thread(
        _execute,
        settings,
        f"INSERT INTO {TABLES.patients} (patient_id, name, admitted_ward) VALUES (%s, %s, %s)",
        (patient_id, patient_id, ward.name),
    )
    for ready, path in ((looks.alarms_ready, alarms), (looks.patient_ready, patient)):
        for _ in range(times):
            async with opened(settings, path, headers) as page:
                ready.append(page.ready_ms)
    async with opened(settings, patient, headers) as page:
        for number in range(times):
            await asyncio.sleep(chance.uniform(0, PAUSE_SECONDS))
            looks.reading.append(await _show_reading(settings, page, patient_id, FIRST + number * STEP))
    async with opened(settings, alarms, headers) as page:
        desk, visit, done = MysqlDesk(settings), _visit(settings, ward), set[str]()
        while len(looks.act) < times:
            await asyncio.sleep(chance.uniform(0, PAUSE_SECONDS))
            alarm = await _alarm(settings, ward, done)
            done.add(alarm.alarm_id)
            if (took := await _show_act(page, desk, visit, alarm)) is not None:
                looks.act.append(took)
    return looks


class OpenPage:
    """A page as it comes: what it is sent, and how long it took to be there (ms)."""

    def __init__(self) -> None:
        self.ready_ms = 0.0
        self._awaited = re.compile("")
        self._shown: asyncio.Future[int] | None = None

    def until(self, pattern: str) -> asyncio.Future[int]:
        """When it is sent something with text of that pattern (epoch ms). What was awaited before no longer is."""
        self.forget()
        self._awaited, self._shown = re.compile(pattern), asyncio.get_running_loop().create_future()
        return self._shown

    def forget(self) -> None:
        """Await nothing any more."""
        if self._shown is not None:
            self._shown.cancel()

    def hear(self, event: str, message: Any, arrived_at: int) -> None:
        """Take an event of its websocket."""
        if event != "update" or self._shown is None or self._shown.done():
            return
        if self._awaited.search(orjson.dumps(message).decode()):
            self._shown.set_result(arrived_at)

    def end(self) -> None:
        """Its websocket is closed."""
        if self._shown is not None and not self._shown.done():
            self._shown.set_exception(WardError("The server has closed a page's websocket."))


@asynccontextmanager
async def opened(settings: Settings, path: str, headers: Mapping[str, str]) -> AsyncIterator[OpenPage]:
    """An open page. Raises WardError when it does not open."""
    page, begun = OpenPage(), time.perf_counter()
    query = read_query(await fetch(settings, path, headers))
    client = await connect(settings, headers, query, page.hear, page.end)
    page.ready_ms = (time.perf_counter() - begun) * 1000
    try:
        yield page
    finally:
        page.forget()
        await client.disconnect()


async def _show_reading(settings: Settings, page: OpenPage, patient_id: str, value: float) -> float:
    shown = page.until(re.escape(f"<td>{value:.{VITALS[VITAL].scale}f}</td>"))
    await asyncio.to_thread(
        _execute,
        settings,
        f"INSERT INTO {TABLES.readings} (patient_id, recorded_at, {VITAL}) VALUES (%s, %s, %s)",
        (patient_id, datetime.now(UTC).replace(tzinfo=None), value),
    )
    committed_at = time.time_ns() // 1_000_000
    try:
        return await asyncio.wait_for(shown, SEEN_SECONDS) - committed_at
    except TimeoutError as error:
        raise WardError(f"After {SEEN_SECONDS:.0f} s a reading is not on its patient's page.") from error


async def _show_act(page: OpenPage, desk: MysqlDesk, visit: Visit, alarm: AlarmRow) -> float | None:
    """None: it was over or more severe before the act came to it, or over before it was shown."""
    after = await asyncio.to_thread(desk.newest_order)
    form = AckForm(alarm.alarm_id, alarm.condition, after, "measured", ACK_MINUTES)
    shown, begun = page.until(as_shown(visit.account.name, alarm, visit.house.zone)), time.time_ns() // 1_000_000
    try:
        outcome = await asyncio.to_thread(acknowledge, visit, desk, form)
    except UnavailableError:
        raise
    except WardError:
        return None
    if not outcome.is_done:
        return None
    try:
        return await asyncio.wait_for(shown, SEEN_SECONDS) - begun
    except TimeoutError as error:
        now = await asyncio.to_thread(desk.look, alarm.alarm_id)
        if now is None or now.state != "acknowledged":
            return None
        raise WardError(f"After {SEEN_SECONDS:.0f} s an acknowledgement is not on another's page.") from error


def as_shown(name: str, alarm: AlarmRow, zone: ZoneInfo) -> str:
    """A pattern of what the alarms page says of that alarm when somebody of that name has acknowledged it."""
    return f"Acknowledged by {re.escape(name)} until [-0-9 :]+; since {re.escape(as_moment(alarm.started_at, zone))}"


async def _alarm(settings: Settings, ward: OwnWard, but: Collection[str]) -> AlarmRow:
    """The active alarm of the ward that was raised last, of those that are not named."""
    deadline = time.monotonic() + ALARM_SECONDS
    while time.monotonic() < deadline:
        found = [one for one in await asyncio.to_thread(_alarms, settings, ward) if one.alarm_id not in but]
        if found:
            return max(found, key=lambda one: one.raised_at or 0)
        await asyncio.sleep(0.5)
    raise WardError(f"Within {ALARM_SECONDS:.0f} s the ward has no alarm that nobody has acknowledged.")


def _alarms(settings: Settings, ward: OwnWard) -> list[AlarmRow]:
    with alerts_cursor(settings) as cursor:
        found = list_alarms(cursor, Choice(ward=ward.name), ALARMS_MOST)
    return [one for one in found if one.kind == "clinical" and one.state == "active"]


def _visit(settings: Settings, ward: OwnWard) -> Visit:
    house = House(settings, Accounts(settings), Throttle(time.monotonic), LiveState(), zone_of(settings))
    return Visit(house, Account(ward.name.lower(), Role.NURSE), "")


def _execute(settings: Settings, statement: str, arguments: Sequence[Any]) -> None:
    with closing(devices_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, tuple(arguments))


def _pair(took: Sequence[float]) -> str:
    return f"{np.percentile(took, 50):,.0f}, {max(took):,.0f} ms"
