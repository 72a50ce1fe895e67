"""A new column appears in the source while readings flow: old and new readings are both right in Hive."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from clinical.vitals import BATTERY
from infra import supervise
from infra.airflow_api import AirflowApi
from infra.clients import devices_connection
from infra.servers import find, project_environment
from infra.settings import PROJECT_ROOT, Settings
from producers.bootstrap import LATER_COLUMNS
from tests.faults.campaign import new_campaign
from tests.faults.world import World
from tests.stack.watching import paused_streams

Await = Callable[..., Any]
COLUMN = "end_tidal_co2"
TOLD, PRODUCER = 77, "vitals-producer"


def execute(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on the source; its rows."""
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@contextmanager
def new_column(settings: Settings) -> Iterator[None]:
    """A vital that the settings do not know yet, as a device of a new kind brings it: with a value in each new row."""
    execute(settings, f"ALTER TABLE {settings.source.table} ADD COLUMN {COLUMN} INT NULL DEFAULT 35 AFTER heart_rate")
    try:
        yield
    finally:
        execute(settings, f"ALTER TABLE {settings.source.table} DROP COLUMN {COLUMN}")


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


def newest_id(settings: Settings) -> int:
    [(newest,)] = execute(settings, f"SELECT MAX(id) FROM {settings.source.table}")
    return int(newest)


@contextmanager
def producer_of_a_table_without_battery(settings: Settings) -> Iterator[None]:
    """The source has no such column, and a producer that is not told of one works in place of the stack's."""
    attributes = {column: name for column, name in settings.source.attributes.items() if name != BATTERY}
    environment = project_environment(settings) | {"WARDWATCH_SOURCE__ATTRIBUTES": json.dumps(attributes)}
    supervise.stop(settings, PRODUCER)
    try:
        execute(settings, f"ALTER TABLE {settings.source.table} DROP COLUMN {BATTERY}")
        command = find(settings, PRODUCER).command(settings)
        with subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.terminate()
    finally:
        # A default in the same statement would fill the rows that are there.
        execute(settings, f"ALTER TABLE {settings.source.table} ADD COLUMN {BATTERY} {LATER_COLUMNS[BATTERY]}")
        execute(settings, f"ALTER TABLE {settings.source.table} ALTER COLUMN {BATTERY} SET DEFAULT {TOLD}")
        supervise.start(settings, PRODUCER)
        supervise.wait_ready(settings, PRODUCER)


def test_a_vital_that_the_settings_name_from_then_on_is_null_before_and_has_its_value_after(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    world = World.begin(stack, new_campaign(seed, ["a vital more"]), await_condition)
    with AirflowApi(stack, timeout_seconds=60) as api, paused_streams(api, await_condition), world.loaded() as watch:
        try:
            with producer_of_a_table_without_battery(stack):
                watch.recovered(time.time(), ())
                last_without = newest_id(stack)
            first_with = newest_id(stack) + 1
            watch.recovered(time.time(), ())
        finally:
            execute(stack, f"ALTER TABLE {stack.source.table} ALTER COLUMN {BATTERY} DROP DEFAULT")
    found = world.findings(await_condition)
    assert found.clean, str(found)
    landed = world.oracle.hive("vital_readings", f"reading_id, {BATTERY}")
    assert {value for number, value in landed if number <= last_without} == {None}
    # What was written afterwards by the load; when it has ended, nobody tells of a battery.
    told = [value for number, value in landed if number >= first_with]
    assert told.count(TOLD) > 100
    assert {*told} <= {TOLD, None}
