"""A new column appears in the source while readings flow: old and new readings are both right in Hive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from infra.clients import devices_connection
from infra.settings import Settings
from tests.faults.campaign import new_campaign
from tests.faults.world import World

Await = Callable[..., Any]
COLUMN = "end_tidal_co2"


@contextmanager
def new_column(settings: Settings) -> Iterator[None]:
    """A vital that the settings do not know yet, as a device of a new kind brings it: with a value in each new row."""
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {settings.source.table} ADD COLUMN {COLUMN} INT NULL DEFAULT 35 AFTER heart_rate")
    try:
        yield
    finally:
        with devices_connection(settings) as connection, connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {settings.source.table} DROP COLUMN {COLUMN}")


def test_readings_before_and_after_are_in_hive_with_their_values(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    world = World.begin(stack, new_campaign(seed, ["a new column"]), await_condition)
    with world.loaded() as watch:
        watch.recovered(time.time(), ())
        with new_column(stack):
            watch.recovered(time.time(), ())
        watch.recovered(time.time(), ())
    found = world.findings(await_condition)
    assert found.clean, str(found)
