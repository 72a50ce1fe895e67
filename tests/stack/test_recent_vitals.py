"""Recent readings on the real servers: from the topics into HBase, beside landing and without its being held up."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from hbase.recent_minutes import MINUTE_MS, PARTIAL, MinuteCurve
from hbase.recent_rows import DerivedValue, Reading
from hbase.recent_tables import DAY_SECONDS, create_recent_tables
from hbase.recent_vitals import RecentVitals
from hbase.table import connected
from infra.clients import hdfs, kafka_config
from infra.errors import ConfigurationError, UnavailableError
from infra.metrics import StreamMetrics
from infra.settings import Settings
from spark_jobs.recent.feed import CHECKPOINT, RecentTopics
from tests.stack.forwarder import Forwarder
from tests.stack.landing_world import ID_BASE, LandingWorld, await_that, reading

pytestmark = [pytest.mark.own_world, pytest.mark.timeout(1200)]

PATIENT = "Zoë/1"
NOW = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
"""The beginning of a minute."""

NOW_MS = int(NOW.timestamp() * 1000)
VITALS = ["heart_rate", "spo2", "news2", f"news2{PARTIAL}"]


class RecentWorld(LandingWorld):
    """Lands readings alone, and feeds tables of its own in HBase through a port that can be closed."""

    def __init__(self, stack: Settings) -> None:
        super().__init__(stack)
        self.suffix = uuid.uuid4().hex[:8]
        self.direct = with_own_tables(self.settings, self.suffix)
        self.network = Forwarder(self.settings.hbase_thrift_port)
        hadoop = self.direct.hadoop.model_copy(update={"hbase_thrift_port": self.network.port})
        self.settings = self.direct.model_copy(update={"hadoop": hadoop})
        self.streams = (self.reading_stream,)
        self.recent = RecentTopics(self.reading_stream.topic, f"test-derived-{self.suffix}")
        self.store = RecentVitals(self.direct)

    def create(self) -> None:
        super().create()
        admin = AdminClient(kafka_config(self.settings))
        for future in admin.create_topics([NewTopic(self.recent_topics.derived, 1, 1)]).values():
            future.result(30)
        create_recent_tables(self.direct)

    def destroy(self) -> None:
        self.network.close()
        AdminClient(kafka_config(self.settings)).delete_topics([self.recent_topics.derived])
        drop(self.direct)
        super().destroy()

    @contextmanager
    def running(self) -> Iterator[None]:
        self.metrics = StreamMetrics(self.job_name)
        with super().running():
            yield

    @property
    def recent_topics(self) -> RecentTopics:
        assert self.recent is not None
        return self.recent

    def spoil_checkpoint(self) -> None:
        path = self.settings.hdfs_path("checkpoints", self.job_name, CHECKPOINT)
        hdfs(self.settings).pipe_file(f"{path}/metadata", b"no longer JSON")

    @staticmethod
    def queries() -> list[StreamingQuery]:
        """The running queries of the feed."""
        session = SparkSession.getActiveSession() or SparkSession._instantiatedSession
        active = session.streams.active if session is not None else []
        return [query for query in active if CHECKPOINT in (query.name or "")]

    def metric(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0

    def everything(self) -> Any:
        """Every cell of both tables with its content."""
        recent = self.direct.recent
        with connected(self.direct) as connection:
            return [list(connection.table(name).scan()) for name in (recent.readings_table, recent.minutes_table)]


def with_own_tables(settings: Settings, suffix: str) -> Settings:
    names = {"readings_table": f"test_recent_{suffix}", "minutes_table": f"test_minutes_{suffix}"}
    hadoop = settings.hadoop.model_copy(update={"hbase_timeout_ms": 60_000})
    return settings.model_copy(
        update={"recent": settings.recent.model_copy(update=names), "hadoop": hadoop},
    )


def drop(settings: Settings) -> None:
    with connected(settings) as connection:
        for name in (settings.recent.readings_table, settings.recent.minutes_table):
            connection.delete_table(name, disable=True)


def of_patient(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    return reading(number, at, patient_id=PATIENT, **changes)


def score(at: datetime, value: int, inputs_used: int = 7) -> dict[str, Any]:
    return {
        "derived_id": f"{PATIENT}|news2|{at.timestamp()}|{value}|{inputs_used}",
        "patient_id": PATIENT,
        "attribute": "news2",
        "value": value,
        "computed_for": int(at.timestamp() * 1000),
        "inputs_used": inputs_used,
        "inputs_expected": 7,
    }


@pytest.fixture(scope="module")
def world(stack: Settings) -> Iterator[RecentWorld]:
    made = RecentWorld(stack)
    made.create()
    try:
        yield made
    finally:
        made.destroy()


@pytest.fixture
def store(stack: Settings) -> Iterator[RecentVitals]:
    """Empty tables."""
    own = with_own_tables(stack, uuid.uuid4().hex[:8])
    create_recent_tables(own)
    try:
        yield RecentVitals(own)
    finally:
        drop(own)


def test_a_feed_without_hbase_holds_nothing_up_and_catches_up_and_repeats_nothing(world: RecentWorld) -> None:
    topics = world.recent_topics
    readings = [of_patient(n, NOW + timedelta(seconds=n), heart_rate=60 + n) for n in range(120)]
    with world.running():
        world.produce(topics.readings, [*readings[:90], *(reading(n, NOW) for n in range(1000, 1020))])
        world.produce(topics.derived, [score(NOW, 3, 6), score(NOW + timedelta(seconds=10), 4), b"\xff no score"])
        world.land()
        await_that(lambda: world.metric("wardwatch_recent_failing") == 1, "the feed says that it fails")
        assert world.count(world.readings) == 110

        world.network.open()
        await_that(lambda: world.store.last(PATIENT, 1) != [], "what waited is written")
        await_that(lambda: world.metric("wardwatch_recent_failing") == 0, "the feed says that it works again")

        world.network.close()
        of_last_year = of_patient(500, NOW - timedelta(days=365))
        world.produce(topics.readings, [*readings[90:], of_last_year])
        world.land()
        await_that(lambda: world.metric("wardwatch_recent_failing") == 1, "the feed says that it fails again")
        assert world.count(world.readings) == 141
        world.network.open()
        newest = ID_BASE + 119
        await_that(lambda: world.store.last(PATIENT, 1)[0].reading_id == newest, "what came meanwhile is written")
        await_that(lambda: world.metric("wardwatch_recent_lag_records") == 0, "nothing waits any more")

    last = world.store.last(PATIENT)
    assert [one.reading_id for one in last] == [ID_BASE + n for n in range(119, 99, -1)]
    assert last[0] == Reading(
        PATIENT,
        newest,
        NOW_MS + 119_000,
        {
            "heart_rate": 179,
            "systolic_bp": 120,
            "diastolic_bp": 80,
            "spo2": 98,
            "temperature": 36.6,
            "respiratory_rate": 16,
            "glucose": 95.5,
        },
        "D1",
        False,
        "A",
    )
    curves = world.store.by_minute(PATIENT, NOW_MS - MINUTE_MS, NOW_MS + 10 * MINUTE_MS, VITALS)
    heart_rate = curves["heart_rate"]
    assert heart_rate.minutes.tolist() == [NOW_MS, NOW_MS + MINUTE_MS]
    assert heart_rate.low.tolist() == [60, 120]
    assert heart_rate.mean.tolist() == [89.5, 149.5]
    assert heart_rate.high.tolist() == [119, 179]
    assert heart_rate.count.tolist() == [60, 60]
    assert (curves["news2"].mean.tolist(), curves[f"news2{PARTIAL}"].mean.tolist()) == ([4], [3])
    assert world.store.last_derived(PATIENT, "news2") == [
        DerivedValue(PATIENT, "news2", NOW_MS + 10_000, 4, 7, 7),
        DerivedValue(PATIENT, "news2", NOW_MS, 3, 6, 7),
    ]


def test_everything_is_read_again_after_its_checkpoint_was_spoilt_and_changes_nothing(world: RecentWorld) -> None:
    world.network.close()
    before = world.everything()
    world.spoil_checkpoint()
    world.network.open()
    with world.running():
        await_that(lambda: world.metric("wardwatch_recent_written_total") >= 142, "everything is written again")
    assert all(before)
    assert world.everything() == before


def test_a_late_reading_corrects_its_minute_though_the_query_ended_before(world: RecentWorld) -> None:
    def spo2() -> MinuteCurve:
        return world.store.by_minute(PATIENT, NOW_MS, NOW_MS + MINUTE_MS, ["spo2"])["spo2"]

    with world.running():
        await_that(lambda: world.queries() != [], "the query runs")
        world.queries()[0].stop()
        world.produce(world.recent_topics.readings, [of_patient(600, NOW + timedelta(seconds=30), spo2=71)])
        await_that(lambda: spo2().low.tolist() == [71], "the minute knows of the late reading")
    assert spo2().count.tolist() == [61]


def test_the_last_readings_that_have_an_attribute_are_found_behind_many_that_have_not(store: RecentVitals) -> None:
    readings = [
        Reading("P1", n, NOW_MS - n * 5000, {"heart_rate": 70.0, **({"glucose": 90.0 + n} if n % 300 == 7 else {})})
        for n in range(3000)
    ]
    other = Reading("P11", 9, NOW_MS, {"glucose": 400.0}, device_id='"glucose":')
    assert store.write([*readings, other]) == 3001
    assert [one.reading_id for one in store.last("P1", 3, "glucose")] == [7, 307, 607]
    assert len(store.last("P1", 20, "glucose")) == 10
    assert store.last("P1", 20, "temperature") == []
    assert [one.reading_id for one in store.last("P11")] == [9]
    with pytest.raises(KeyError):
        store.last("P1", 20, "') OR ('")


def test_the_last_readings_that_have_an_attribute_are_looked_for_as_long_as_any_are_kept(store: RecentVitals) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)  # others have run since the time of this module
    hours = {0: "heart_rate", 1: "glucose", 47: "glucose", 49: "glucose", 120: "glucose", 165: "glucose", 166: "spo2"}
    store.write(Reading("P1", hour, now - hour * 3_600_000, {vital: 90.0}) for hour, vital in hours.items())
    assert [one.reading_id for one in store.last("P1", 20, "glucose")] == [1, 47, 49, 120, 165]
    assert [one.reading_id for one in store.last("P1", 3, "glucose")] == [1, 47, 49]
    assert [one.reading_id for one in store.last("P1", 20, "spo2")] == [166]


def test_a_range_is_read_from_its_start_to_before_its_end_oldest_first(store: RecentVitals) -> None:
    store.write([Reading("P1", n, NOW_MS + n * 1000) for n in range(100)])
    found = store.between("P1", NOW_MS + 10_000, NOW_MS + 20_000)
    assert [one.reading_id for one in found] == list(range(10, 20))


def test_readings_of_one_millisecond_are_all_kept(store: RecentVitals) -> None:
    store.write([Reading("P1", n, NOW_MS, {"spo2": 90.0 + n}) for n in range(3)])
    assert [one.reading_id for one in store.last("P1")] == [2, 1, 0]
    assert store.by_minute("P1", NOW_MS, NOW_MS + 1, ["spo2"])["spo2"].count.tolist() == [3]


def test_what_would_vanish_soon_or_cannot_be_kept_is_not_written(store: RecentVitals) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    week, hour = 7 * DAY_SECONDS * 1000, 3_600_000
    assert store.write([Reading("P1", 1, now - week + hour - MINUTE_MS), Reading("P1", 2, now + 2 * hour)]) == 0
    assert store.write([Reading("P" * 40_000, 3, now), Reading("P1", 4, -1), Reading("P1", 5, 10**15)]) == 0
    assert store.write([Reading("P1", 6, now - week + hour + 2 * MINUTE_MS)]) == 1
    assert [one.reading_id for one in store.last("P1")] == [6]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.last("P1"),
        lambda store: store.last("P1", 20, "spo2"),
        lambda store: store.between("P1", 0, NOW_MS),
        lambda store: store.by_minute("P1", 0, NOW_MS, ["spo2"]),
        lambda store: store.last_derived("P1", "news2"),
    ],
)
def test_a_table_or_a_server_that_is_not_there_is_named(stack: Settings, ask: Callable[[RecentVitals], object]) -> None:
    without_tables = with_own_tables(stack, "that_nobody_made")
    with pytest.raises(ConfigurationError, match=r"that_nobody_made.*ward up"):
        ask(RecentVitals(without_tables))
    away = stack.hadoop.model_copy(update={"hbase_thrift_port": Forwarder(0).port})
    with pytest.raises(UnavailableError, match="HBase"):
        ask(RecentVitals(stack.model_copy(update={"hadoop": away})))


def test_what_cannot_be_written_is_said(stack: Settings) -> None:
    away = stack.hadoop.model_copy(update={"hbase_thrift_port": Forwarder(0).port})
    for settings in (with_own_tables(stack, "that_nobody_made"), stack.model_copy(update={"hadoop": away})):
        with pytest.raises(UnavailableError, match="HBase"):
            RecentVitals(settings).write([Reading("P1", 1, NOW_MS)])


def test_rows_of_both_tables_vanish_after_their_days(stack: Settings) -> None:
    create_recent_tables(stack)
    with connected(stack) as connection:
        for name, days in (
            (stack.recent.readings_table, stack.recent.readings_days),
            (stack.recent.minutes_table, stack.recent.minutes_days),
        ):
            families = connection.table(name).families().values()
            assert {family["time_to_live"] for family in families} == {days * DAY_SECONDS}
