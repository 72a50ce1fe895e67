"""What the stack tests of the alerts share: producing breaches, looking at mails and at the alerts database."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

import orjson
from confluent_kafka import Producer
from typer.testing import CliRunner

from alerts.cli import subscriptions
from alerts.database import digest, in_transaction
from alerts.decide import Notification
from alerts.engine import LOCK, STREAM, TOPICS, Engine
from alerts.feed import Feed
from alerts.inbox import ReceivedMail, received_mails
from alerts.message import UNKNOWN_WARD
from alerts.publisher import Publisher
from alerts.store import add_notifications
from clinical.messages import Breach
from clinical.topics import DOCTORS_QUEUE
from infra.clients import alerts_connection, devices_connection, kafka_config
from infra.errors import SingleInstanceError
from infra.locks import named_lock
from infra.settings import Settings
from infra.supervise import restart, stop, wait_ready
from tests.unit.alerts.breaches import breach

Await = Callable[..., Any]
MAIL_SECONDS = 180
"""How long a test waits for a mail; on a quiet machine it takes one second."""


LOW_GLUCOSE = {
    "attribute": "glucose",
    "value": 45.0,
    "unit": "mg/dL",
    "direction": "low",
    "low_value": None,
    "high_value": 53.9,
    "normal_low": 70.0,
    "normal_high": 180.0,
    "clear_margin": 5.0,
    "threshold_row": "glucose#001",
    "alert_message": "Level 2 hypoglycaemia",
}
LOW_PRESSURE = {**LOW_GLUCOSE, "attribute": "systolic_bp", "value": 85.0, "unit": "mmHg", "normal_low": 111.0}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Reader:
    """A doctor's subscription to a ward of its own."""

    email: str
    ward: str

    def mails(self, settings: Settings, about: str | None = None) -> list[ReceivedMail]:
        """Mails to this reader, oldest first.

        What concerns no known ward goes to every reader, and again as long as nobody acknowledges it: of that, only
        what is about the patient `about`.
        """
        mine = (mail for mail in reversed(received_mails(settings)) if self.email in mail.recipients)
        return [mail for mail in mine if UNKNOWN_WARD not in mail.subject or (about and about in mail.subject)]

    def breach(self, **changes: Any) -> Breach:
        """A breach of a patient on the reader's ward, recorded now; a patient of its own unless one is given.

        Of a vital that is measured seldom, so that one reading is enough for an alarm.
        """
        now = now_ms()
        fields = {
            **LOW_GLUCOSE,
            "patient_id": unique("P"),
            "source_id": unique("R"),
            "ward": self.ward,
            "recorded_at": now,
            "inserted_at": now,
            "detected_at": now,
        }
        return breach(**{**fields, **changes})


@dataclass
class OwnEngine:
    """An engine in this process, at a clock that the test moves (epoch ms). Nothing is published while it works."""

    settings: Settings
    resources: ExitStack
    now: int = field(default_factory=now_ms)
    imports_asked_for: int = 0
    is_over: bool = False

    def __post_init__(self) -> None:
        self._take_its_place()
        connection = self.resources.enter_context(closing(alerts_connection(self.settings)))
        self.feed = self.resources.enter_context(closing(Feed(self.settings, TOPICS)))
        self.engine = Engine(self.settings, connection, self.feed, self.ask_import, lambda: self.now)
        self.engine.start()

    def _take_its_place(self) -> None:
        """The DAG `streams` may start the stack's engine again before we have the lock."""
        for left in range(4, -1, -1):
            stop(self.settings, STREAM)
            try:
                self.resources.enter_context(named_lock(self.settings, LOCK, 10))
                return
            except SingleInstanceError:
                if not left:
                    raise

    def ask_import(self) -> None:
        self.imports_asked_for += 1

    def drain(self, await_condition: Await) -> None:
        """Work until everything on the topics has been taken."""
        quiet = 0

        def step() -> bool:
            nonlocal quiet
            quiet = 0 if self.engine.step(0.5).offsets or not self.feed.is_level() else quiet + 1
            return quiet >= 2

        await_condition(step, 300, "the engine does not come to the end of its topics", 0.0)

    def hand_over(self) -> None:
        """Let the stack's engine work again: anew, for one that the DAG `streams` has started meanwhile found the lock
        taken, and may be about to end."""
        if not self.is_over:
            self.is_over = True
            self.resources.close()
            restart(self.settings, STREAM)


@contextmanager
def in_place_of_the_engine(settings: Settings) -> Iterator[OwnEngine]:
    """An engine of the caller's own, of these settings, works instead of the stack's until it is handed over."""
    with ExitStack() as resources:
        own = OwnEngine(settings, resources)
        try:
            yield own
        finally:
            own.hand_over()
            wait_ready(settings, STREAM)


@contextmanager
def publishing(settings: Settings) -> Iterator[None]:
    """A publisher works meanwhile. Raises what ended it."""
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(Publisher(settings).run, stop)
        try:
            yield
        finally:
            stop.set()
            working.result()


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def ward_subscriptions(*arguments: str) -> str:
    """Run `ward subscriptions …` in this process; what it printed."""
    result = CliRunner().invoke(subscriptions, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def produce(settings: Settings, breaches: Sequence[Breach | bytes], topic: str = DOCTORS_QUEUE) -> None:
    """Put breaches, or raw bytes, on a topic and wait until the broker has them."""
    producer = Producer(kafka_config(settings, **{"linger.ms": 5}))
    for item in breaches:
        value = item if isinstance(item, bytes) else orjson.dumps(item)
        producer.produce(topic, key=b"test" if isinstance(item, bytes) else item["patient_id"].encode(), value=value)
        producer.poll(0)
    assert producer.flush(30) == 0


def insert_reading(settings: Settings, patient_id: str, recorded_at: int, **vitals: object) -> None:
    """Write a reading as a device would; `recorded_at` is epoch ms."""
    values = {"patient_id": patient_id, "recorded_at": datetime.fromtimestamp(recorded_at / 1000, UTC), **vitals}
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO health.patients_vital_info ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})",
            tuple(values.values()),
        )


def query(settings: Settings, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Rows of the alerts database."""
    with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return list(cursor.fetchall())


def forget_ward(settings: Settings, ward: str) -> None:
    """Take a test's alarms out again, so that its ward is not missed by ops for a day, and what still waits."""
    with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM alarms WHERE kind = 'clinical' AND ward = %s", (ward,))
        cursor.execute("DELETE FROM notifications WHERE sent_at IS NULL AND ward = %s", (ward,))


def notifications(ward: str, count: int) -> list[Notification]:
    """Mails about high heart rates of as many patients."""
    return [
        Notification(
            notification_id=uuid.uuid4().hex,
            alarm_id=uuid.uuid4().hex,
            group_key=digest("patient", ward, str(number)),
            topic="doctors",
            kind="clinical",
            notice="raised",
            priority=0,
            severity="high",
            ward=ward,
            attribute="heart_rate",
            subject=f"[HIGH] Heart rate 150 /min high, patient {number}",
            body=f"HIGH: Heart rate 150 /min of patient {number}.\n" + "Patient:      somebody\n" * 20,
            created_at=now_ms(),
        )
        for number in range(count)
    ]


def put(settings: Settings, rows: list[Notification]) -> list[int]:
    """Write notifications of a ward into the outbox; the sequence numbers of all of that ward."""
    with closing(alerts_connection(settings)) as connection:
        in_transaction(connection, lambda cursor: add_notifications(cursor, rows))
    ward = rows[0].ward
    return [seq for (seq,) in query(settings, "SELECT seq FROM notifications WHERE ward = %s ORDER BY seq", ward)]


def parts_of(settings: Settings, ward: str) -> list[tuple[Any, ...]]:
    """The mail into which each notification of a ward was merged, when SNS took it, and when it may be tried again."""
    return query(
        settings,
        "SELECT merged_into, sent_at, not_before FROM notifications WHERE ward = %s AND priority >= 0 ORDER BY seq",
        ward,
    )
