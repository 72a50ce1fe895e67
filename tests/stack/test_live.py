"""The live state of the ward page, filled from the running stack."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymysql.connections import Connection

from dashboard.live.feed import AWAY, follow
from dashboard.live.older import fill_trends
from dashboard.live.register import follow_alarms, follow_contacts
from dashboard.live.state import LiveState
from hbase.recent_rows import Reading
from hbase.recent_vitals import RecentVitals
from infra.settings import Settings
from tests.stack.alerting import unique

pytestmark = pytest.mark.looks_on

Await = Callable[..., object]
PATIENCE_SECONDS = 240


@contextmanager
def followed(settings: Settings) -> Iterator[LiveState]:
    """A live state that is filled as that of the ward page is."""
    live, stop = LiveState(), threading.Event()
    threads = [
        threading.Thread(target=work, args=(settings, live, stop), daemon=True)
        for work in (follow, follow_contacts, follow_alarms, fill_trends)
    ]
    for thread in threads:
        thread.start()
    try:
        yield live
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)


def send(devices: Connection[Any], patient: str, first: int, last: int) -> None:
    """A reading a second, from `first` to `last` seconds ago; blood pressure in the first only."""
    now = datetime.now(UTC).replace(tzinfo=None)
    times = [now - timedelta(seconds=ago) for ago in range(first, last - 1, -1)]
    rows = [(patient, at, at, 60 + place, 120 if place == 0 else None) for place, at in enumerate(times)]
    with devices.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health.patients_vital_info (patient_id, recorded_at, inserted_at, heart_rate, systolic_bp)"
            " VALUES (%s, %s, %s, %s, %s)",
            rows,
        )


def shown(live: LiveState, patient: str) -> dict[str, tuple[list[int], list[float]]]:
    """The values of a patient, by attribute."""
    with live.look() as wards:
        known = wards.patients.get(patient)
        series = known.series if known else {}
        return {name: (list(one.times), list(one.values)) for name, one in series.items()}


def test_a_page_that_was_started_again_shows_the_same(
    stack: Settings, devices: Connection[Any], await_condition: Await
) -> None:
    patient = unique("board")
    with devices.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_information (patient_id, name, admitted_ward) VALUES (%s, 'Live', 'Live')",
            (patient,),
        )
    with followed(stack) as live:
        send(devices, patient, 30, 0)
        await_condition(
            lambda: 90 in shown(live, patient).get("heart_rate", ([], []))[1], PATIENCE_SECONDS, "no reading"
        )
        before = shown(live, patient)
    assert set(before) == {"heart_rate", "systolic_bp"}
    assert len(before["heart_rate"][1]) == 20
    with followed(stack) as again:
        await_condition(lambda: shown(again, patient) == before, PATIENCE_SECONDS, "what was shown before is missing")
        await_condition(lambda: patient in _admitted(again), PATIENCE_SECONDS, "the patient has no bed")
        with devices.cursor() as cursor:
            cursor.execute(
                "UPDATE health.patients_information SET discharged_at = NOW(3) WHERE patient_id = %s", (patient,)
            )
        await_condition(lambda: patient not in _beds(again), PATIENCE_SECONDS, "the bed is still there")


def test_a_trend_of_what_is_measured_seldom_goes_back_further_than_what_is_read_again(
    stack: Settings, devices: Connection[Any], await_condition: Await
) -> None:
    patient, now = unique("board"), round(time.time() * 1000)
    times = [now - minutes * 300_000 for minutes in range(10, 20)]
    recent = RecentVitals(stack)
    recent.write([Reading(patient, place, at, {"systolic_bp": 100.0 + place}) for place, at in enumerate(times)])
    with followed(stack) as live:
        send(devices, patient, 0, 0)
        await_condition(
            lambda: set(times) <= set(shown(live, patient).get("systolic_bp", ([], []))[0]),
            PATIENCE_SECONDS,
            "the older values are missing",
        )
        assert shown(live, patient)["systolic_bp"][1][-1] == 120


def test_while_the_broker_is_away_the_page_says_so_and_ends_when_it_is_told(
    stack: Settings, await_condition: Await
) -> None:
    nowhere = stack.model_copy(update={"kafka": stack.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})})
    live, stop = LiveState(), threading.Event()
    thread = threading.Thread(target=follow, args=(nowhere, live, stop), daemon=True)
    thread.start()
    await_condition(lambda: AWAY in _problems(live), PATIENCE_SECONDS, "nothing is said")
    assert live.age_seconds() is None
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def _admitted(live: LiveState) -> set[str]:
    with live.look() as wards:
        return set(wards.contacts or ())


def _beds(live: LiveState) -> set[str]:
    with live.look() as wards:
        return wards.beds()


def _problems(live: LiveState) -> list[str]:
    with live.look() as wards:
        return list(wards.problems.values())
