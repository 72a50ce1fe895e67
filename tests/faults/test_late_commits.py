"""Transactions held open across polls, one rolled back, and ids that were never given to a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from infra.clients import devices_connection
from infra.settings import Settings
from tests.faults.campaign import new_campaign
from tests.faults.load import COLUMNS, patient_ids
from tests.faults.world import World

Await = Callable[..., Any]
HELD_SECONDS = (30.0, 240.0)
ROWS = 50
INTO = f"INSERT INTO health.patients_vital_info ({', '.join(COLUMNS)})"


class Slow:
    """A transaction that has inserted its rows, each a breach, and is not committed yet."""

    def __init__(self, connection: Any, patient: str) -> None:
        self._connection = connection
        self.ids = []
        with connection.cursor() as cursor:
            for _ in range(ROWS):
                cursor.execute(
                    f"{INTO} VALUES (%s, %s, 150, 98, 16, 100)", (patient, datetime.now(UTC).replace(tzinfo=None))
                )
                self.ids.append(int(cursor.lastrowid))

    def commit(self) -> list[tuple[int, int]]:
        """What MySQL has acknowledged, as the load notes it."""
        self._connection.commit()
        return [(number, 1) for number in self.ids]


@contextmanager
def open_transactions(settings: Settings, patient: str, count: int) -> Iterator[list[Slow]]:
    """Several at once; what is not committed at the end is rolled back."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(devices_connection(settings, autocommit=False, read_timeout=600)) for _ in range(count)
        ]
        yield [Slow(connection, patient) for connection in connections]


def leave_gaps(settings: Settings, patient: str) -> tuple[int, int]:
    """A bulk insert for which MySQL reserves more ids than it has rows; first id and rows."""
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"{INTO} SELECT %s, UTC_TIMESTAMP(3), 70, 98, 16, 100 FROM health.seq_1_to_1500",
            (patient,),
        )
        return int(cursor.lastrowid), 1500


def test_rows_committed_late_are_neither_lost_nor_doubled(stack: Settings, seed: int, await_condition: Await) -> None:
    campaign = new_campaign(seed, ["late commits"])
    world = World.begin(stack, campaign, await_condition)
    patient = patient_ids(campaign.name)[0]
    with world.loaded() as watch, open_transactions(stack, patient, len(HELD_SECONDS) + 1) as transactions:
        began = time.monotonic()
        acknowledged = [leave_gaps(stack, patient)]
        *late, _never_committed = transactions
        for held, transaction in zip(HELD_SECONDS, late, strict=True):
            threading.Event().wait(began + held - time.monotonic())
            acknowledged += transaction.commit()
        watch.recovered(time.time(), ())
        campaign.acknowledged += acknowledged
    found = world.findings(await_condition)
    assert found.clean, str(found)
