"""Compaction on the real servers: the table holds the same rows before, while and after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.clients import hdfs
from infra.errors import WardError
from infra.settings import Settings
from spark_jobs.compact_readings import compact
from spark_jobs.landing.compaction import Compacted, Compactor
from spark_jobs.landing.files import ALREADY_MERGED, data_files, parse_batch_file, path_of
from spark_jobs.landing.partitions import location_of
from spark_jobs.landing.rebuild import rebuild
from spark_jobs.session import spark_session
from tests.stack.landing_world import ID_BASE, LandingWorld, reading

pytestmark = pytest.mark.own_world

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
END = HOUR + timedelta(hours=1)
SPEC = {"event_date": f"{HOUR:%Y-%m-%d}", "event_hour": str(HOUR.hour)}
BATCHES, ROWS = 3, 200


@pytest.fixture(scope="module")
def world(stack: Settings) -> Iterator[LandingWorld]:
    """One hour of readings, landed by three batches; the job is stopped."""
    made = LandingWorld(stack)
    made.create()
    try:
        with made.running():
            for batch in range(BATCHES):
                numbers = range(batch * ROWS, (batch + 1) * ROWS)
                made.produce(made.reading_stream.topic, [reading(i, HOUR + timedelta(seconds=i)) for i in numbers])
                made.land()
        yield made
    finally:
        made.destroy()


def run(world: LandingWorld) -> Compacted:
    tables = {world.readings: world.checkpoint_path(world.reading_stream)}
    [(_, (done,))] = compact(world.settings, tables, HOUR, END)
    return done


def directory(world: LandingWorld) -> str:
    """Where the partition points now, as Hive says."""
    rows = world.query(
        f"DESCRIBE FORMATTED {world.readings.full_name} "
        f"PARTITION (event_date='{SPEC['event_date']}', event_hour={SPEC['event_hour']})"
    )
    return path_of(next(value.strip() for name, value, _ in rows if name and name.strip() == "Location:"))


def file_names(world: LandingWorld, path: str) -> list[str]:
    return [entry["name"].rsplit("/", 1)[-1] for entry in data_files(hdfs(world.settings), path)]


def test_compaction_and_late_readings_keep_every_row_exactly_once(world: LandingWorld) -> None:
    everything = [ID_BASE + number for number in range(BATCHES * ROWS)]
    first = directory(world)
    assert len(file_names(world, first)) == BATCHES

    # A query that loops all the while never sees more or fewer rows.
    seen, stop, errors = set[int](), threading.Event(), list[Exception]()

    def look() -> None:
        while not stop.is_set():
            try:
                seen.add(world.count(world.readings))
            except WardError as error:
                errors.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        done = run(world)
    finally:
        stop.set()
        watcher.join()
    assert not errors
    assert seen == {BATCHES * ROWS}
    assert (done.rows, done.files_before, done.files_after) == (BATCHES * ROWS, BATCHES, 1)
    compacted = directory(world)
    assert compacted != first
    assert world.ids(world.readings) == everything
    order = world.query(f"SELECT patient_id, CAST(recorded_at AS STRING) FROM {world.readings.full_name}")
    assert order == sorted(order)

    # Again: nothing to do, and the partition points where it did.
    assert run(world).files_before == 0
    assert directory(world) == compacted
    assert file_names(world, first), "old files stay for an hour"

    # A batch whose commit was lost after its files were merged is run again and adds nothing; late readings land.
    world.roll_back(world.reading_stream)
    with world.running():
        world.land()
        assert world.ids(world.readings) == everything
        for late in (BATCHES * ROWS, BATCHES * ROWS + 1):
            world.produce(world.reading_stream.topic, [reading(late, HOUR + timedelta(minutes=30))])
            world.land()
            everything.append(ID_BASE + late)
    assert world.ids(world.readings) == everything
    assert len(file_names(world, compacted)) == 3

    # The file of a batch that is not committed is carried over under its name, so that the batch finds it.
    batch = world.roll_back(world.reading_stream)
    checkpoint = world.checkpoint(world.reading_stream)
    assert checkpoint is not None
    uncommitted = f"{checkpoint.query_id}-{batch}.parquet"
    assert run(world).files_before == 2
    carried = directory(world)
    assert carried != compacted
    assert [name for name in file_names(world, carried) if parse_batch_file(name)] == [uncommitted]
    assert world.ids(world.readings) == everything
    assert run(world).files_before == 0, "an uncommitted file alone is no reason to compact"
    with world.running():
        world.land()
    assert world.ids(world.readings) == everything

    # Now that it is committed it is merged.
    assert run(world).files_before == 2
    final = directory(world)
    assert not any(parse_batch_file(name) for name in file_names(world, final))
    assert uncommitted in hdfs(world.settings).cat_file(f"{final}/{ALREADY_MERGED}").decode().split()
    assert world.ids(world.readings) == everything

    # What was replaced goes an hour later, what is in use stays.
    spark = spark_session(world.settings, "retire", "local[2]")
    try:
        compactor = Compactor(world.settings, spark, world.readings, checkpoint)
        assert compactor.remove_retired(datetime.now(UTC) + timedelta(minutes=1)) == []
        removed = compactor.remove_retired(datetime.now(UTC) + timedelta(minutes=61))
        assert set(removed) == {first, compacted, carried}
        assert path_of(location_of(spark, world.readings, SPEC) or "") == final
    finally:
        spark.stop()
    assert world.ids(world.readings) == everything


class Killed(BaseException):
    """What ends a compaction in the middle of a test; no `except` of ours takes it for an error to handle."""


def test_a_crash_in_the_middle_of_the_switch_changes_no_reading_and_is_made_up_for(
    world: LandingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readings_after_landing(numbers: range) -> list[int]:
        minutes = HOUR + timedelta(minutes=45)
        world.produce(world.reading_stream.topic, [reading(number, minutes) for number in numbers])
        with world.running():
            world.land()
        return world.ids(world.readings)

    def killed(*_arguments: object) -> None:
        raise Killed

    everything = readings_after_landing(range(2000, 2010))
    before = directory(world)
    with monkeypatch.context() as patched:
        patched.setattr("spark_jobs.landing.compaction.set_location", killed)
        with pytest.raises(Killed):
            run(world)
    assert directory(world) == before
    assert world.ids(world.readings) == everything

    # Whoever then asks the files, as after the loss of the metastore, gets what has landed since as well.
    everything = readings_after_landing(range(2010, 2020))
    rebuild(world.settings, {table.name: table for table in world.tables})
    rebuilt = directory(world)
    assert rebuilt != before
    assert world.ids(world.readings) == everything
    world.query(f"ALTER TABLE {world.readings.full_name} DROP PARTITION (event_hour >= 0)")
    assert world.ids(world.readings) == []
    rebuild(world.settings, {table.name: table for table in world.tables})
    assert directory(world) == rebuilt
    assert world.ids(world.readings) == everything

    assert readings_after_landing(range(2020, 2030)) == [*everything, *range(ID_BASE + 2020, ID_BASE + 2030)]
    assert run(world).files_before > 0
    assert world.ids(world.readings) == [*everything, *range(ID_BASE + 2020, ID_BASE + 2030)]
