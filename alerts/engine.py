"""The alert engine: breaches and technical alarms in, alarms, audit and outbox out, all in one transaction a batch.

Exactly once in MySQL: the consumer's offsets are written with what was made of the messages, and a start goes on from
there. A crash at any point leaves whole batches only. A message that cannot be read goes to the dead-letter topic
before its offset is written, so that it may be there twice and is never missing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts import store
from alerts.batch import Batch, Offsets, read_batch
from alerts.contacts import ImportRequests, start_import
from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.decide import Alarm, Changes, alarm_key, decide
from alerts.feed import Feed
from alerts.message import NOT_IMPORTED, Style, ward_of
from alerts.publisher import Publisher
from alerts.technical import CONTACT_MISSING, open_subjects, record_technical, technical
from alerts.threads import Threads
from alerts.wards import coverage_alarms, wards_of_alarms, wards_on_record
from clinical.alarms import Rule
from clinical.messages import Breach, Severity, TechnicalAlarm
from clinical.topics import DOCTORS_QUEUE, TECHNICAL_ALARMS
from infra.clients import alerts_connection, with_retries
from infra.errors import ConfigurationError
from infra.locks import hold_lock
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream

STREAM = "alert-engine"
TOPICS = (DOCTORS_QUEUE, TECHNICAL_ALARMS)
BATCH = 2000
POLL_SECONDS = 0.5
LOCK = f"wardwatch:stream:{STREAM}"
LOCK_SECONDS = 10
NEWEST_KEPT = 50_000
"""Alarms held in memory; one that fell out is read again from MySQL."""

HOUSEKEEPING_SECONDS = 30.0
ASK_AGAIN_SECONDS = 300.0
"""A patient who is still missing after an import is asked for again after this long."""


def style_of(settings: Settings) -> Style:
    """How mails are written. Raises ConfigurationError for a time zone that does not exist."""
    try:
        zone = ZoneInfo(settings.alerts.display_time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        name = settings.alerts.display_time_zone
        raise ConfigurationError(f"alerts.display_time_zone: there is no time zone {name!r}.") from error
    return Style(zone, direct_identifiers=settings.alerts.content == "full")


def rule_of(settings: Settings) -> Rule:
    """The rule with its settings. Raises ConfigurationError for a severity that does not exist."""
    known: dict[str, Severity] = {"high": "high", "medium": "medium", "low": "low"}
    try:
        told = frozenset(known[severity] for severity in settings.alerts.emailed_severities)
    except KeyError as error:
        raise ConfigurationError(f"alerts.emailed_severities: {error} is not one of high, medium, low.") from error
    return Rule(settings.alerts.reminder_seconds, told)


class Engine:
    """State in memory is a cache of MySQL: after any error the engine must be thrown away.

    `ask_import` is called when a patient without contact appears; `clock` gives epoch ms.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection[Any],
        feed: Feed,
        ask_import: Callable[[], None],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._feed = feed
        self._ask_import = ask_import
        self._clock = clock
        self._rule = rule_of(settings)
        self._style = style_of(settings)
        self._newest: dict[bytes, Alarm] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._missing: dict[str, int] = {}
        self._offsets: Offsets = {}

    def start(self) -> None:
        """Load what MySQL holds and go on reading from the offsets there."""

        def load(cursor: Cursor) -> None:
            self._offsets = store.load_offsets(cursor, self._feed.partitions())
            self._seen = OrderedDict.fromkeys(store.load_seen(cursor))
            self._missing = dict.fromkeys(open_subjects(cursor, CONTACT_MISSING), 0)

        in_transaction(self._connection, load)
        self._feed.start_at(self._offsets)

    def step(self, timeout: float) -> Batch:
        """Take what arrives within `timeout` seconds and write what it means; the batch, empty if nothing came."""
        batch = read_batch(self._feed.take(BATCH, timeout), self._seen)
        if not batch.offsets:
            return batch
        now = self._clock()
        self._load_missing_alarms(batch.breaches)
        changes = decide(batch.breaches, self._newest, now, self._rule, self._style)
        contacts, ask = self._contact_alarms(batch.breaches, now)
        self._feed.set_aside(batch.malformed)
        in_transaction(self._connection, lambda cursor: self._write(cursor, batch, changes, contacts, now))
        self._offsets.update(batch.offsets)
        self._remember(batch.seen)
        if ask:
            self._ask_import()
        return batch

    def keep_house(self) -> None:
        """Tell ops of wards that nobody listens to, and forget old breaches. Call it every now and then."""
        now = self._clock()
        on_record = wards_on_record(self._settings)

        def check(cursor: Cursor) -> None:
            wards = wards_of_alarms(cursor, now) | (on_record or set())
            alarms = coverage_alarms(cursor, wards, self._rule.told, now, all_wards=on_record is not None)
            record_technical(cursor, alarms, now, self._style)

        in_transaction(self._connection, check)
        while in_transaction(self._connection, store.forget_old_seen) == store.FORGET_AT_ONCE:
            continue

    def _load_missing_alarms(self, breaches: Iterable[Breach]) -> None:
        if len(self._newest) > NEWEST_KEPT:
            self._newest.clear()
        absent = sorted({alarm_key(breach) for breach in breaches} - self._newest.keys())
        if absent:
            with self._connection.cursor() as cursor:
                self._newest.update(store.load_newest(cursor, absent))

    def _contact_alarms(self, breaches: Iterable[Breach], now: int) -> tuple[list[TechnicalAlarm], bool]:
        """Technical alarms about patients without contact, and whether an import should be asked for."""
        alarms, ask = [], False
        for breach in breaches:
            patient = breach["patient_id"]
            if not breach["contact_missing"]:
                if self._missing.pop(patient, None) is not None:
                    detail = f"The contact of patient {patient} has been imported."
                    alarms.append(technical(CONTACT_MISSING, patient, detail, now, cleared=True))
                continue
            asked = self._missing.get(patient)
            if asked is None:
                detail = (
                    f"Patient {patient} alarms without a contact ({NOT_IMPORTED}); an import has been asked for. "
                    f"If this lasts, look for the patient in {self._settings.contacts.table}."
                )
                alarms.append(technical(CONTACT_MISSING, patient, detail, now))
            if asked is None or now - asked >= ASK_AGAIN_SECONDS * 1000:
                self._missing[patient] = now
                ask = True
        return alarms, ask

    def _write(
        self, cursor: Cursor, batch: Batch, changes: Changes, contacts: Sequence[TechnicalAlarm], now: int
    ) -> None:
        store.save_alarms(cursor, list(changes.alarms.values()))
        store.add_notifications(cursor, changes.notifications)
        store.add_events(cursor, changes.events)
        alarms = [*batch.technical, *contacts]
        if changes.notifications:
            wards = {ward_of(breach) for breach in batch.breaches if breach["severity"] in self._rule.told}
            alarms += coverage_alarms(cursor, wards, self._rule.told, now, all_wards=False)
        record_technical(cursor, alarms, now, self._style)
        store.add_seen(cursor, batch.seen)
        store.move_offsets(cursor, self._offsets, batch.offsets)

    def _remember(self, seen: Sequence[bytes]) -> None:
        self._seen.update(dict.fromkeys(seen))
        while len(self._seen) > store.SEEN_KEPT:
            self._seen.popitem(last=False)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Run engine, publisher and import requests until `stop` is set, or until one of them fails."""
    with ExitStack() as stack, mysql_errors(settings):
        stack.enter_context(with_retries(settings, lambda: hold_lock(settings, LOCK, LOCK_SECONDS)))
        connection = stack.enter_context(closing(alerts_connection(settings)))
        feed = stack.enter_context(closing(with_retries(settings, lambda: Feed(settings, TOPICS))))
        publisher = Publisher(settings)
        imports = ImportRequests(lambda: start_import(settings))
        engine = Engine(settings, connection, feed, imports.ask)
        engine.start()
        threads = stack.enter_context(Threads(stop))
        threads.start("publisher", publisher.run)
        threads.start("imports", imports.run)
        next_housekeeping = time.monotonic()
        while not stop.is_set():
            threads.check()
            batch = engine.step(POLL_SECONDS)
            metrics.records.inc(len(batch.breaches) + len(batch.technical))
            metrics.rejected.inc(len(batch.malformed))
            metrics.alive(feed.lag())
            if batch.offsets:
                publisher.wake()
            if time.monotonic() >= next_housekeeping:
                engine.keep_house()
                next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS


if __name__ == "__main__":
    run_stream(STREAM, body)
