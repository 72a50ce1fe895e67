"""The vitals producer on the real database and broker: exactly once, late commits, fencing, foreign tables.

Each test has a table, topics and a transactional id of its own, so that a running producer is not disturbed.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pymysql
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from clinical.messages import READING_FIELDS
from clinical.topics import SENT_AGAIN, Topic
from infra.clients import devices_connection, kafka_config, reader_connection
from infra.errors import ConfigurationError, SingleInstanceError, UnavailableError
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.waiting import wait_for
from producers.bootstrap import bootstrap, create_topics
from producers.cursor import CursorState
from producers.simulator.writer import Tables, fill_ward
from producers.transactions import ReadingLog
from producers.vitals_producer import VitalsProducer

pytestmark = pytest.mark.own_world

DEADLINE_SECONDS = 60.0


def await_that(holds: Callable[[], bool], what: str) -> None:
    """Wait until `holds()`; fails with `what` after DEADLINE_SECONDS."""
    assert wait_for(holds, DEADLINE_SECONDS, 0.05), f"{what} did not happen within {DEADLINE_SECONDS} s"


def produce_until_stopped(settings: Settings) -> None:
    """A producer in a process of its own, to be killed."""
    VitalsProducer(settings, StreamMetrics("vitals-producer"), threading.Event()).run()


class Running:
    """A producer in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = StreamMetrics("vitals-producer")
        self.stop = threading.Event()
        self.producer = VitalsProducer(settings, self.metrics, self.stop)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.producer.run()
        except BaseException as error:
            self.error = error

    def end(self) -> BaseException | None:
        """Stop it; what it ended with."""
        self.stop.set()
        return self.wait()

    def wait(self) -> BaseException | None:
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()
        return self.error


class Bench:
    """A table and topics of a test's own."""

    def __init__(self, stack: Settings, create: str, **source: Any) -> None:
        name = f"test_{uuid.uuid4().hex[:10]}"
        self.table = f"health.{name}"
        self.readings, self.cursor = f"{name}-readings", f"{name}-cursor"
        self.settings = stack.model_copy(
            update={
                "start_retry_seconds": 1.0,
                "source": type(stack.source).model_validate(
                    {**stack.source.model_dump(), "table": self.table, **source}
                ),
                "producer": stack.producer.model_copy(
                    update={
                        "transactional_id": name,
                        "readings_topic": self.readings,
                        "cursor_topic": self.cursor,
                        "gap_poll_interval_seconds": 0.1,
                        "late_commit_window_seconds": 30.0,
                    }
                ),
            }
        )
        self.devices = devices_connection(stack)
        self.execute(create.format(table=self.table))
        create_topics(stack, [Topic(self.readings, 3), Topic(self.cursor, 1, compacted=True)])
        self._consumer: Consumer | None = None
        self.received: list[Message] = []

    def set(self, **producer: Any) -> None:
        """Change settings of the producer."""
        changed = self.settings.producer.model_copy(update=producer)
        self.settings = self.settings.model_copy(update={"producer": changed})

    def execute(self, statement: str, *arguments: Any) -> int:
        """Run a statement as a device; the id it gave out."""
        with self.devices.cursor() as cursor:
            cursor.execute(statement.replace("{table}", self.table), arguments or None)
            return int(cursor.lastrowid)

    def insert(self, count: int = 1) -> list[int]:
        """Insert committed readings; their ids."""
        return [self.execute("INSERT INTO {table} (patient_id, heart_rate) VALUES ('P1', 70)") for _ in range(count)]

    def ids(self) -> list[int]:
        """The ids in the table, ascending."""
        with self.devices.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {self.table} ORDER BY id")
            return [id_ for (id_,) in cursor]

    @contextmanager
    def transaction(self) -> Iterator[pymysql.connections.Connection[Any]]:
        """A connection without autocommit; what is not committed at the end is rolled back."""
        connection = devices_connection(self.settings, autocommit=False)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def producing(self) -> Iterator[Running]:
        """A running producer, stopped at the end; it must not have failed."""
        running = Running(self.settings)
        try:
            yield running
        finally:
            assert running.end() is None

    def process(self) -> multiprocessing.process.BaseProcess:
        """A producer in a process of its own, started."""
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=produce_until_stopped, args=(self.settings,))
        process.start()
        return process

    def poll(self) -> list[dict[str, Any]]:
        """All committed messages so far, in order of arrival."""
        if self._consumer is None:
            self._consumer = Consumer(
                kafka_config(
                    self.settings,
                    **{
                        "group.id": self.readings,
                        "isolation.level": "read_committed",
                        "enable.auto.commit": False,
                    },
                )
            )
            self._consumer.assign([TopicPartition(self.readings, number, OFFSET_BEGINNING) for number in range(3)])
        self.received += [message for message in self._consumer.consume(10_000, 0.3) if message.error() is None]
        return [orjson.loads(message.value() or b"") for message in self.received]

    def received_ids(self) -> list[int]:
        return sorted(message["reading_id"] for message in self.poll())

    def await_ids(self, ids: list[int]) -> None:
        """Wait until as many messages have arrived as `ids`, and compare: each exactly once."""
        await_that(lambda: len(self.received_ids()) >= len(ids), f"arrival of {len(ids)} readings")
        assert self.received_ids() == sorted(ids)

    def await_more(self, what: str) -> None:
        """Wait until something arrives after what is there already."""
        seen = len(self.received_ids())
        await_that(lambda: len(self.received_ids()) > seen, what)

    def state(self) -> CursorState:
        """The committed cursor."""
        stored = ReadingLog(self.settings, threading.Event()).load_cursor()
        return CursorState() if stored is None else CursorState.from_bytes(stored, 0.0)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self.execute("DROP TABLE IF EXISTS {table}")
        self.devices.close()
        admin = AdminClient(kafka_config(self.settings))
        for future in admin.delete_topics([self.readings, self.cursor]).values():
            future.result()


@pytest.fixture
def bench(stack: Settings) -> Iterator[Bench]:
    made = Bench(stack, "CREATE TABLE {table} LIKE health.patients_vital_info")
    yield made
    made.close()


@pytest.fixture
def make_bench(stack: Settings) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(create: str, **source: Any) -> Bench:
        made.append(Bench(stack, create, **source))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_another_table_is_refused_because_its_ids_may_repeat_those_that_are_known(bench: Bench) -> None:
    bench.insert()
    with bench.producing():
        bench.await_ids(bench.ids())
    bench.settings = bench.settings.model_copy(
        update={"source": bench.settings.source.model_copy(update={"table": "health.patients_vital_info"})}
    )
    error = Running(bench.settings).wait()
    assert isinstance(error, ConfigurationError)
    assert f"{bench.cursor} belongs to {bench.table}" in str(error)
    bench.await_ids(bench.ids())


def test_every_row_of_a_ward_arrives_exactly_once_with_its_patient_as_key(bench: Bench) -> None:
    fill_ward(bench.settings, count=20_000, patients=60, tables=Tables(readings=bench.table))
    with bench.producing() as running:
        bench.await_ids(bench.ids())
        await_that(lambda: running.metrics.lag._value.get() == 0, "a lag of zero")
    assert all(set(message) == set(READING_FIELDS) for message in bench.poll())
    by_patient: dict[str, list[int]] = {}
    partitions: dict[str, set[int | None]] = {}
    for message in bench.received:
        reading = orjson.loads(message.value() or b"")
        assert message.key() == reading["patient_id"].encode()
        by_patient.setdefault(reading["patient_id"], []).append(reading["reading_id"])
        partitions.setdefault(reading["patient_id"], set()).add(message.partition())
    assert all(ids == sorted(ids) for ids in by_patient.values())
    assert all(len(found) == 1 for found in partitions.values())
    assert len(set.union(*partitions.values())) == 3


def test_values_arrive_as_they_stand_in_the_table(bench: Bench) -> None:
    bench.execute(
        "INSERT INTO {table} (patient_id, device_id, recorded_at, inserted_at, heart_rate, temperature, glucose, "
        "on_oxygen, consciousness) VALUES ('山田-1', 'm1', '2026-03-01 08:00:00.123', '2026-03-01 08:00:01.5', "
        "9999, 36.60, 99.95, 1, 'A'), (NULL, NULL, '2026-03-01 08:00:00', DEFAULT, 0, NULL, NULL, NULL, NULL)"
    )
    with bench.producing():
        bench.await_ids([1, 2])
    first, second = sorted(bench.poll(), key=lambda message: message["reading_id"])
    assert first == {
        **dict.fromkeys(READING_FIELDS),
        "reading_id": 1,
        "patient_id": "山田-1",
        "device_id": "m1",
        "recorded_at": 1_772_352_000_123,
        "inserted_at": 1_772_352_001_500,
        "recorded_at_is_receipt": False,
        "heart_rate": 9999,
        "temperature": 36.6,
        "glucose": 99.95,
        "on_oxygen": True,
        "consciousness": "A",
    }
    assert (second["patient_id"], second["heart_rate"], second["on_oxygen"]) == (None, 0, None)
    assert {message.key() for message in bench.received} == {"山田-1".encode(), None}


def test_a_row_that_commits_after_later_ones_is_not_lost(bench: Bench) -> None:
    with bench.producing(), bench.transaction() as slow:
        with slow.cursor() as cursor:
            cursor.execute(f"INSERT INTO {bench.table} (patient_id) VALUES ('slow'), ('slow'), ('slow')")
        later = bench.insert(5)
        bench.await_ids(later)
        assert [(gap.first, gap.last) for gap in bench.state().gaps] == [(1, 3)]
        slow.commit()
        bench.await_ids([1, 2, 3, *later])
        await_that(lambda: bench.state() == CursorState(8), "closing of the gap")


def test_a_gap_of_a_rolled_back_transaction_is_given_up_after_the_window(bench: Bench) -> None:
    bench.set(late_commit_window_seconds=10.0)
    with bench.producing(), bench.transaction() as failing:
        with failing.cursor() as cursor:
            cursor.execute(f"INSERT INTO {bench.table} (patient_id) VALUES ('never')")
        later = bench.insert(2)
        bench.await_ids(later)
        assert [(gap.first, gap.last) for gap in bench.state().gaps] == [(1, 1)]
        failing.rollback()
        await_that(lambda: bench.state() == CursorState(3), "giving up of the gap")
        assert bench.received_ids() == later


def test_a_gap_is_remembered_over_a_restart(bench: Bench) -> None:
    with bench.transaction() as slow:
        with slow.cursor() as cursor:
            cursor.execute(f"INSERT INTO {bench.table} (patient_id) VALUES ('slow')")
        later = bench.insert(3)
        with bench.producing():
            bench.await_ids(later)
        slow.commit()
    with bench.producing():
        bench.await_ids([1, *later])


def test_many_rows_that_commit_late_in_one_transaction_come_page_by_page(bench: Bench) -> None:
    bench.set(page_size=100)
    with bench.producing(), bench.transaction() as slow:
        with slow.cursor() as cursor:
            values = ", ".join(["('slow')"] * 950)
            cursor.execute(f"INSERT INTO {bench.table} (patient_id) VALUES {values}")
        later = bench.insert(2)
        bench.await_ids(later)
        slow.commit()
        bench.await_ids(list(range(1, 953)))


def write_out_of_order(bench: Bench, seed: int, enough: threading.Event) -> None:
    """Transactions of 1 to 30 rows that stay open for up to half a second; a fifth is rolled back."""
    rng = random.Random(seed)
    with bench.transaction() as connection:
        while not enough.is_set():
            with connection.cursor() as cursor:
                values = ", ".join([f"('P{seed}')"] * rng.randint(1, 30))
                cursor.execute(f"INSERT INTO {bench.table} (patient_id) VALUES {values}")
            enough.wait(rng.choice([0, 0.01, 0.1, 0.5]))
            if rng.random() < 0.2:
                connection.rollback()
            else:
                connection.commit()


def test_killed_again_and_again_under_concurrent_writers_it_publishes_each_row_exactly_once(bench: Bench) -> None:
    bench.set(page_size=20)
    enough = threading.Event()
    writers = [threading.Thread(target=write_out_of_order, args=(bench, seed, enough)) for seed in range(4)]
    for writer in writers:
        writer.start()
    try:
        for lifetime in (0.7, 1.5, 0.3):
            process = bench.process()
            bench.await_more("publishing by the new process")
            process.join(lifetime)
            assert process.is_alive()
            process.kill()
            process.join()
    finally:
        enough.set()
        for writer in writers:
            writer.join()
    with bench.producing():
        bench.await_ids(bench.ids())
        highest = bench.ids()[-1]
        await_that(lambda: bench.state().cursor == highest, "reading to the end")
    assert len(bench.ids()) > 200


def test_what_a_producer_wrote_before_it_was_killed_in_its_transaction_is_published_once(bench: Bench) -> None:
    """Messages and cursor have reached the broker, and the commit has not."""
    ids = bench.insert(20)
    killed = Producer(kafka_config(bench.settings, **{"transactional.id": bench.settings.producer.transactional_id}))
    killed.init_transactions(DEADLINE_SECONDS)
    killed.begin_transaction()
    for reading_id in ids:
        killed.produce(bench.readings, orjson.dumps({"reading_id": reading_id}), b"P1")
    killed.produce(bench.cursor, CursorState(ids[-1]).to_bytes(0.0), bench.table.encode())
    assert killed.flush(DEADLINE_SECONDS) == 0
    assert bench.received_ids() == []
    with bench.producing():
        bench.await_ids(ids)
        later = bench.insert(1)
        bench.await_ids([*ids, *later])


def test_a_second_producer_takes_over_and_the_first_says_so(bench: Bench) -> None:
    before = bench.insert(3)
    first = Running(bench.settings)
    bench.await_ids(before)
    with bench.producing():
        await_that(lambda: bool(bench.insert()) and first.error is not None, "the end of the first producer")
        error = first.wait()
        assert isinstance(error, SingleInstanceError)
        assert "has taken over" in str(error)
        bench.await_ids(bench.ids())


def test_a_killed_database_connection_is_made_again(bench: Bench) -> None:
    bench.set(page_size=5)
    before = bench.insert(20)
    with bench.producing() as running:
        bench.await_ids(before)
        connection = running.producer._reader._connection
        assert connection is not None
        with reader_connection(bench.settings) as other, other.cursor() as cursor:
            cursor.execute(f"KILL {connection.thread_id()}")  # type: ignore[no-untyped-call]  # its stub has no types
        after = bench.insert(200)
        bench.await_ids([*before, *after])


CLINIC = (
    "CREATE TABLE {table} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, customerId INT NULL, heartbeat VARCHAR(20) NULL,"
    " bp VARCHAR(20) NULL)"
)
CLINIC_SOURCE: dict[str, Any] = {
    "patient_column": "customerId",
    "device_column": "",
    "recorded_at_column": "",
    "inserted_at_column": "",
    "attributes": {"heartbeat": "heart_rate", "bp": "blood_pressure"},
}


def test_a_foreign_table_works_by_settings_alone(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(CLINIC, **CLINIC_SOURCE)
    bench.execute(
        "INSERT INTO {table} (customerId, heartbeat, bp) VALUES (42, '61', '120/80'), (42, 'NaN', 'n/a'),"
        " (NULL, 'fast', NULL)"
    )
    began = time.time_ns() // 1_000_000
    with bench.producing():
        bench.await_ids([1, 2, 3])
    messages = sorted(bench.poll(), key=lambda message: message["reading_id"])
    assert [
        (message["patient_id"], message["heart_rate"], message["systolic_bp"], message["diastolic_bp"])
        for message in messages
    ] == [("42", 61, 120, 80), ("42", "NaN", "n/a", None), (None, "fast", None, None)]
    assert all(message["recorded_at_is_receipt"] for message in messages)
    assert all(began <= message["recorded_at"] <= time.time_ns() // 1_000_000 for message in messages)


def test_an_id_that_is_no_integer_is_written_as_people_read_it(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(CLINIC.replace("customerId INT", "customerId DECIMAL(20)"), **CLINIC_SOURCE)
    bench.execute("INSERT INTO {table} (customerId, heartbeat) VALUES (12345678901234567890, 61), (7, 62)")
    with bench.producing():
        bench.await_ids([1, 2])
    assert sorted(message["patient_id"] for message in bench.poll()) == ["12345678901234567890", "7"]


def test_select_is_all_that_the_source_must_grant(bench: Bench) -> None:
    with reader_connection(bench.settings) as reader, reader.cursor() as cursor:
        with pytest.raises(pymysql.err.OperationalError, match="INSERT command denied"):
            cursor.execute(f"INSERT INTO {bench.table} (patient_id) VALUES ('x')")
        cursor.execute("SHOW GRANTS")
        grants = [grant.split(" ON ")[0] for (grant,) in cursor]
    assert set(grants) == {"GRANT USAGE", "GRANT SELECT"}
    ids = bench.insert(2)
    with bench.producing():
        bench.await_ids(ids)


def end_of(bench: Bench) -> str:
    """Run a producer that must refuse to start; what it says."""
    error = Running(bench.settings).wait()
    assert isinstance(error, ConfigurationError)
    return str(error)


def test_a_missing_table_is_named_with_similar_ones(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(
        update={"source": bench.settings.source.model_copy(update={"table": "health.patients_vitals_info"})}
    )
    message = end_of(bench)
    assert "There is no table health.patients_vitals_info" in message
    assert "health.patients_vital_info" in message


def test_a_missing_column_is_named_with_those_that_exist(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(CLINIC, **{**CLINIC_SOURCE, "attributes": {"pulse": "heart_rate"}})
    message = end_of(bench)
    assert "has no column 'pulse'" in message
    assert "Its columns: id, customerId, heartbeat, bp." in message


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("id VARCHAR(20) NOT NULL PRIMARY KEY", "is of type varchar"),
        ("id INT NULL UNIQUE", "may be NULL"),
        ("id INT NOT NULL, KEY (id)", "has no unique index of its own"),
        ("id INT NOT NULL, other INT NOT NULL, PRIMARY KEY (id, other)", "has no unique index of its own"),
        ("id INT NOT NULL PRIMARY KEY", "is not AUTO_INCREMENT"),
    ],
)
def test_a_key_that_cannot_be_followed_is_refused(make_bench: Callable[..., Bench], key: str, reason: str) -> None:
    bench = make_bench(f"CREATE TABLE {{table}} ({key}, customerId INT, heartbeat INT, bp CHAR(9))", **CLINIC_SOURCE)
    message = end_of(bench)
    assert reason in message
    assert "must be an increasing integer" in message


def test_a_key_that_is_said_to_grow_is_followed_without_auto_increment(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(CLINIC.replace(" AUTO_INCREMENT", ""), **CLINIC_SOURCE, key_only_grows=True)
    bench.execute("INSERT INTO {table} (id, customerId, heartbeat) VALUES (3, 1, '70'), (5, 1, '71')")
    with bench.producing():
        bench.await_ids([3, 5])


def test_a_column_that_disappears_later_is_named_too(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(CLINIC, **CLINIC_SOURCE)
    bench.execute("INSERT INTO {table} (customerId, heartbeat) VALUES (1, '70')")
    running = Running(bench.settings)
    bench.await_ids([1])
    bench.execute("ALTER TABLE {table} DROP COLUMN bp")
    error = running.wait()
    assert isinstance(error, ConfigurationError)
    assert "has no column 'bp'" in str(error)


def test_a_database_that_is_away_at_start_is_tried_for_a_while_and_then_named(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"mysql": bench.settings.mysql.model_copy(update={"port": 1})})
    error = Running(bench.settings).wait()
    assert isinstance(error, UnavailableError)
    assert "MySQL at 127.0.0.1:1 cannot be reached" in str(error)


def test_a_broker_that_is_away_at_start_is_tried_for_a_while_and_then_named(bench: Bench) -> None:
    away = bench.settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    settings = bench.settings.model_copy(update={"kafka": away})
    error = Running(settings).wait()
    assert isinstance(error, UnavailableError)
    assert "Kafka at 127.0.0.1:1 cannot be reached" in str(error)


def test_a_missing_topic_is_named(bench: Bench) -> None:
    bench.set(readings_topic="test-no-such-topic")
    error = Running(bench.settings).wait()
    assert isinstance(error, ConfigurationError)
    assert "has no topic test-no-such-topic" in str(error)


def test_bootstrap_may_run_again_and_a_topic_with_too_few_partitions_is_refused(stack: Settings, bench: Bench) -> None:
    bootstrap(stack)
    bootstrap(stack)
    with pytest.raises(ConfigurationError, match=f"{bench.readings} .* has 3 partitions and needs 4"):
        create_topics(stack, [Topic(bench.readings, 4)])


def test_an_existing_topic_gets_the_retention_that_the_settings_name_now(stack: Settings, bench: Bench) -> None:
    hours = stack.kafka.retention_hours + 1
    longer = stack.model_copy(update={"kafka": stack.kafka.model_copy(update={"retention_hours": hours})})
    create_topics(longer, [Topic(bench.readings, 3)])
    topic = ConfigResource(ConfigResource.Type.TOPIC, bench.readings)
    admin = AdminClient(kafka_config(stack))

    def is_kept_longer() -> bool:
        (future,) = admin.describe_configs([topic]).values()
        return bool(future.result()["retention.ms"].value == str(hours * 3_600_000))

    await_that(is_kept_longer, "the longer retention")


def test_notes_of_what_was_sent_again_are_not_kept_for_good(stack: Settings) -> None:
    bootstrap(stack)
    topic = ConfigResource(ConfigResource.Type.TOPIC, SENT_AGAIN)
    admin = AdminClient(kafka_config(stack))

    def are_forgotten() -> bool:
        (future,) = admin.describe_configs([topic]).values()
        found = {name: entry.value for name, entry in future.result().items()}
        days = stack.retention.sent_again_days
        return (found["cleanup.policy"], found["retention.ms"]) == ("compact,delete", str(days * 86_400_000))

    await_that(are_forgotten, "the end of old notes")
