"""Landing on the real servers: every message exactly once in Hive, whatever happens in between."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alerts.watchdog import watchdog_reading
from clinical.messages import WATCHDOG_PATIENT
from clinical.topics import VITAL_INFO
from infra.clients import hdfs
from infra.errors import UnavailableError
from infra.settings import Settings
from spark_jobs.landing.files import data_files
from spark_jobs.landing.readiness import require_servers
from tests.stack.landing_world import ID_BASE, LandingWorld, breach, reading

pytestmark = pytest.mark.own_world

READINGS = 1000
HOURS = 12
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def world(stack: Settings) -> Iterator[LandingWorld]:
    """Readings of twelve hours, bad ones among them, and breaches that repeat, one with another time of recording, all
    landed, and in between batches with nothing but the watchdog; the job is stopped."""
    made = LandingWorld(stack)
    made.create()
    try:
        spread = [reading(i, NOW - timedelta(seconds=HOURS * 3600 * i // READINGS)) for i in range(READINGS)]
        bad = [
            reading(READINGS, NOW, heart_rate=900, glucose="abc"),
            reading(READINGS + 1, NOW, patient_id=None),
            reading(READINGS + 2, NOW + timedelta(days=2), inserted_at=int(NOW.timestamp() * 1000)),
            reading(READINGS + 3, NOW - timedelta(days=365), inserted_at=int(NOW.timestamp() * 1000)),
            reading(READINGS + 4, NOW, spo2="NaN"),
        ]
        with made.running():
            made.produce(made.reading_stream.topic, spread[: READINGS // 2])
            made.produce(made.breach_stream.topic, [breach("a", NOW), breach("a", NOW), breach("b", NOW)])
            made.land()
            for stream in made.streams:
                made.produce(stream.topic, [watchdog_reading(1_763_838_000_000), b"{}"], key=WATCHDOG_PATIENT.encode())
            made.land()
            made.produce(made.reading_stream.topic, [*spread[READINGS // 2 :], *bad, b"\xff not json", b'{"a": 1}'])
            corrected = breach("b", NOW - timedelta(days=1), inserted_at=int(NOW.timestamp() * 1000))
            made.produce(made.breach_stream.topic, [breach("a", NOW), corrected, breach("c", NOW), b"[]"])
            made.land()
        yield made
    finally:
        made.destroy()


def test_each_accepted_reading_is_in_hive_exactly_once(world: LandingWorld) -> None:
    accepted = [*range(READINGS), READINGS, READINGS + 4]
    assert world.ids(world.readings) == [ID_BASE + number for number in accepted]
    assert world.count(world.readings) == len(accepted)


def test_a_reading_is_in_the_partition_of_its_hour_with_its_values(world: LandingWorld) -> None:
    at = NOW - timedelta(seconds=HOURS * 3600 * 700 // READINGS)
    ((patient, heart_rate, temperature, recorded_at, inserted_at, day, hour),) = world.query(
        "SELECT patient_id, heart_rate, temperature, CAST(recorded_at AS STRING), CAST(inserted_at AS STRING), "
        f"event_date, event_hour FROM {world.readings.full_name} WHERE reading_id = {ID_BASE + 700}"
    )
    assert (patient, heart_rate, temperature) == ("P0", Decimal(80), Decimal("36.6"))
    assert recorded_at.startswith(f"{at:%Y-%m-%d %H:%M:%S}")
    assert inserted_at == f"{at:%Y-%m-%d %H:%M:%S}.4"
    assert (day, hour) == (f"{at:%Y-%m-%d}", at.hour)


def test_a_batch_of_many_hours_writes_one_file_an_hour(world: LandingWorld) -> None:
    partitions = world.query(f"SHOW PARTITIONS {world.readings.full_name}")
    assert len(partitions) in (HOURS, HOURS + 1)
    for (partition,) in partitions:
        directory = world.settings.hdfs_path("hive", world.readings.name, partition)
        assert len(data_files(hdfs(world.settings), directory)) <= 2


def test_a_bad_attribute_is_null_and_rejected_with_its_reason(world: LandingWorld) -> None:
    stored = world.query(
        f"SELECT heart_rate, glucose, spo2 FROM {world.readings.full_name} WHERE reading_id = {ID_BASE + READINGS}"
    )
    assert stored == [(None, None, Decimal(98))]
    rejected = world.query(
        f"SELECT attribute, raw, reason FROM {world.rejected.full_name} WHERE reading_id = {ID_BASE + READINGS} "
        "ORDER BY attribute"
    )
    assert [(attribute, raw) for attribute, raw, _ in rejected] == [("glucose", "abc"), ("heart_rate", "900")]
    assert all(attribute in reason for attribute, _, reason in rejected)


def test_a_reading_that_is_rejected_as_a_whole_has_one_row_with_the_reason(world: LandingWorld) -> None:
    rows = world.query(
        f"SELECT reading_id, reason FROM {world.rejected.full_name} WHERE attribute IS NULL ORDER BY reading_id"
    )
    reasons = dict(rows)
    assert "patient_id" in reasons[ID_BASE + READINGS + 1]
    assert "after the insertion" in reasons[ID_BASE + READINGS + 2]
    assert "days before the insertion" in reasons[ID_BASE + READINGS + 3]
    assert [reading_id for reading_id, _ in rows].count(None) == 2
    assert len(rows) == 5


def test_what_was_rejected_is_a_dead_letter_with_key_bytes_and_place(world: LandingWorld) -> None:
    letters = world.dead_letters(world.reading_stream)
    assert len(letters) == 7
    (broken,) = [letter for letter in letters if letter[1] == b"\xff not json"]
    key, _, headers = broken
    assert key == b"P1"
    assert headers["topic"] == world.reading_stream.topic
    assert headers["partition"].isdigit()
    assert headers["offset"].isdigit()
    assert "not a JSON object" in headers["error"]
    assert world.metrics.rejected._value.get() == 8


def test_a_breach_that_was_published_again_is_in_hive_once(world: LandingWorld) -> None:
    assert world.ids(world.breaches) == ["a", "b", "c"]
    assert world.query(f"SELECT DISTINCT name FROM {world.breaches.full_name}") == [("Zoë Ångström",)]


def test_a_broken_breach_is_a_dead_letter(world: LandingWorld) -> None:
    ((_, value, headers),) = world.dead_letters(world.breach_stream)
    assert value == b"[]"
    assert headers["error"]


def test_nothing_is_left_in_staging(world: LandingWorld) -> None:
    for table in world.tables:
        assert hdfs(world.settings).find(world.settings.hdfs_path("staging", table.name)) == []


def test_a_batch_that_is_run_again_adds_nothing_and_completes_what_was_cut_off(world: LandingWorld) -> None:
    files = hdfs(world.settings)
    before = {table.name: world.ids(table) for table in world.tables}
    batch = world.roll_back(world.reading_stream)
    world.roll_back(world.breach_stream)
    checkpoint = world.checkpoint(world.reading_stream)
    assert checkpoint is not None
    # As a crash in the middle of publishing leaves it: one partition without its file, one file still in staging. And
    # what a query has staged whose checkpoint was moved away.
    name = f"{checkpoint.query_id}-{batch}.parquet"
    landed = [path for path in files.find(world.settings.hdfs_path("hive", world.readings.name)) if path.endswith(name)]
    files.rm(landed[-1])
    leftovers = [
        world.settings.hdfs_path("staging", world.readings.name, f"{query_id}-{batch}", "left")
        for query_id in (checkpoint.query_id, uuid.uuid4())
    ]
    for leftover in leftovers:
        files.pipe_file(leftover, b"cut off")
    assert world.ids(world.readings) != before[world.readings.name]
    with world.running():
        world.land()
    assert {table.name: world.ids(table) for table in world.tables} == before
    assert not any(files.exists(leftover) for leftover in leftovers)


def test_a_topic_that_does_not_exist_yet_is_named(stack: Settings) -> None:
    with pytest.raises(UnavailableError, match="there is no topic not-there yet"):
        require_servers(stack, ["not-there"])


@pytest.mark.parametrize(
    ("changes", "server"),
    [
        ({"hadoop": {"webhdfs_url": "http://127.0.0.1:9"}}, "HDFS"),
        ({"hadoop": {"metastore_uri": "thrift://127.0.0.1:9"}}, "Hive metastore"),
        ({"kafka": {"bootstrap_servers": "127.0.0.1:9"}}, "Kafka"),
        ({"mysql": {"port": 9}}, "MySQL"),
    ],
)
def test_a_server_that_is_away_is_named(stack: Settings, changes: dict[str, dict[str, str]], server: str) -> None:
    parts = {part: getattr(stack, part).model_copy(update=values) for part, values in changes.items()}
    with pytest.raises(UnavailableError, match=f"^{server} at "):
        require_servers(stack.model_copy(update=parts), [VITAL_INFO])
