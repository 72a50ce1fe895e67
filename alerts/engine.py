"""The alert engine: breaches, values and technical alarms in; alarms, audit and outbox out, in one transaction a batch.

Exactly once in MySQL: the consumer's offsets are written with what was made of the messages, and a start goes on from
there. A crash at any point leaves whole batches only. A message that cannot be read goes to the dead-letter topic
before its offset is written, so that it may be there twice and is never missing. What was read without changing
anything is noted once a second: after a crash it is read again, to no effect.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts import store
from alerts.batch import Batch, Offsets, Record, read_batch, read_values
from alerts.bedside import Bedside, Seen, Value
from alerts.book import AlarmBook
from alerts.contacts import ImportRequests, start_import
from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.decide import Changes, Notification
from alerts.deleted_unread import DeletedUnread
from alerts.expected import changed_seconds_of
from alerts.feed import Feed
from alerts.manner import manner_of
from alerts.message import NOT_IMPORTED, WARD_MAX, one_line
from alerts.no_signal import SignalAlarms, record_held
from alerts.orders import load_unhandled, mark_handled
from alerts.publisher import Publisher
from alerts.signal_watch import SignalWatch
from alerts.silences import load_in_force
from alerts.technical import CONTACT_MISSING, open_subjects, record_technical, technical
from alerts.threads import Threads
from alerts.unwatched import Unwatched
from alerts.wards import contacts_of, coverage_alarms, wards_of_alarms, wards_on_record, whereabouts
from alerts.watchdog import is_watchdog, watchdog_notification
from clinical.messages import WATCHDOG_PATIENT, Breach, TechnicalAlarm
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, TECHNICAL_ALARMS, VITAL_INFO
from infra.clients import alerts_connection, with_retries
from infra.locks import KeptLock
from infra.log import get_logger
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream

STREAM = "alert-engine"
TOPICS = (DOCTORS_QUEUE, TECHNICAL_ALARMS, VITAL_INFO, DERIVED_VITALS)
READ_AGAIN = (VITAL_INFO, DERIVED_VITALS)
READ_AGAIN_SECONDS = 1500
READ_AGAIN_MOST = 60_000
"""What is read once more at a start, for the newest values of each patient and for the devices that were reporting when
the engine ended: so long back from there, as a device that measures every five minutes needs, and at most so many
records of a partition."""

BATCH = 5000
POLL_SECONDS = 0.5
LOCK = f"wardwatch:stream:{STREAM}"
LOCK_SECONDS = 10
PEOPLE_MS = 500
"""How often orders and silences are looked for."""

OFFSETS_MS = 1000
"""How long offsets that changed nothing may stay unwritten."""

CATCH_UP_MS = 60_000
"""For so long, while what came in the meantime is still being read, nobody is reminded of an alarm: it may be over."""

HOUSEKEEPING_SECONDS = 30.0
VALUES_KEPT_MS = 86_400_000
ASK_AGAIN_SECONDS = 300.0
"""A patient who is still missing after an import is asked for again after this long."""

IMPORTED_SECONDS = 7200.0
"""Contacts are imported every few minutes, and ops are told when that fails: who is on record for longer has been
imported."""

FOUND = "The contact of patient {} is on record now, or the patient has left."

log = get_logger(STREAM)


@dataclass
class Step:
    """What one step has to write. `own`: technical alarms of the engine's own; `outcomes`: of orders, by their id."""

    batch: Batch
    changes: Changes
    own: Sequence[TechnicalAlarm]
    signals: SignalAlarms = field(default_factory=SignalAlarms)
    outcomes: dict[int, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Nothing but offsets."""
        batch, changes = self.batch, self.changes
        return not (
            batch.seen
            or batch.technical
            or batch.malformed
            or changes.alarms
            or changes.notifications
            or self.own
            or self.signals.alarms
            or self.signals.held is not None
            or self.outcomes
        )


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
        manner = manner_of(settings)
        self._rule = manner.rule
        self._style = manner.style
        self._bedside = Bedside()
        self._book = AlarmBook(manner, self._bedside, changed_seconds_of(settings))
        self._signals = SignalWatch(settings, self._style, clock())
        self._unwatched = Unwatched(settings, clock())
        self._deleted_unread = DeletedUnread()
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._missing: dict[str, int] = {}
        self._offsets: Offsets = {}
        self._steps = 0
        self._began_at = clock()
        self._unwritten: Offsets = {}
        self._written_at = 0
        self._people_at = 0
        self._stepped_at = 0
        self._behind_since: int | None = None

    def start(self) -> None:
        """Load what MySQL holds and go on reading from the offsets there."""

        def load(cursor: Cursor) -> None:
            self._offsets = store.load_offsets(cursor, [*self._feed.partitions(), store.STEPS])
            self._steps = self._offsets.pop(store.STEPS)
            self._seen = OrderedDict.fromkeys(store.load_seen(cursor))
            self._missing = dict.fromkeys(open_subjects(cursor, CONTACT_MISSING), 0)
            self._signals.start(cursor)
            self._unwatched.start(cursor)
            self._deleted_unread.start(cursor)
            self._book.load(store.load_alarms(cursor), self._clock())

        in_transaction(self._connection, load)
        extents = self._feed.extents()
        self._deleted_unread.find(self._offsets, extents)
        for partition, (low, high) in extents.items():
            if high < self._offsets[partition]:
                log.error("a topic was made anew; reading it from its beginning", topic=partition[0])
                self._unwritten[partition] = low
        back = dict.fromkeys(READ_AGAIN, READ_AGAIN_SECONDS * 1000)
        self._feed.start_at({**self._offsets, **self._unwritten}, back, READ_AGAIN_MOST, self._clock())

    def step(self, timeout: float) -> Batch:
        """Take what arrives within `timeout` seconds and write what it means; the batch, empty if nothing came."""
        records = self._known(self._feed.take(BATCH, timeout))
        batch = read_batch(records, self._seen, self._settings.readings)
        now = self._clock()
        if now < self._stepped_at:
            self._bedside.clock_was_set_back()
        self._stepped_at = now
        outcomes = self._hear_people(now)
        watchdogs, watch_is_heard = self._judge(batch, now)
        is_level = self._feed.is_level()
        if is_level:
            self._book.tick(now)
        signals = self._signals.look(now, behind=not is_level)
        own, ask = self._contact_alarms(batch.breaches, now)
        own += self._unwatched.look(now, behind=not is_level, heard=watch_is_heard)
        own += self._deleted_unread.look(now, behind=not is_level)
        changes = self._book.close(now, only_news=self._catches_up(is_level, now))
        changes.notifications += watchdogs
        self._write(Step(batch, changes, own, signals, outcomes), now)
        if ask:
            self._ask_import()
        return batch

    def _catches_up(self, is_level: bool, now: int) -> bool:
        """Whether what came meanwhile is still being read, and only for a short time."""
        if is_level:
            self._behind_since = None
        elif self._behind_since is None or now < self._behind_since:
            self._behind_since = now
        return self._behind_since is not None and now - self._behind_since < CATCH_UP_MS

    def keep_house(self) -> None:
        """Tell ops of wards that nobody listens to and of contacts that are there now; forget old breaches.

        Call it every now and then.
        """
        now = self._clock()
        on_record, found = wards_on_record(self._settings, now), self._found_contacts(now)

        def check(cursor: Cursor) -> None:
            wards = wards_of_alarms(cursor, now) | (on_record or set())
            alarms = coverage_alarms(cursor, wards, self._rule.told, now, all_wards=on_record is not None)
            alarms += [technical(CONTACT_MISSING, patient, FOUND.format(patient), now, True) for patient in found]
            record_technical(cursor, alarms, now, self._style)

        in_transaction(self._connection, check)
        for patient in found:
            del self._missing[patient]
        self._bedside.forget(now - VALUES_KEPT_MS, self._book.patients())
        while in_transaction(self._connection, store.forget_old_seen) == store.FORGET_AT_ONCE:
            continue

    def _found_contacts(self, now: int) -> list[str]:
        """Patients whose contact was missing and who have left, or of whom no breach came that would tell of it.

        MySQL may call equal what is not, such as ids that differ by case: only those are found that were asked for.
        """
        stays = contacts_of(self._settings, self._missing) or {}
        imported = now - IMPORTED_SECONDS * 1000
        return [
            patient
            for patient, asked in self._missing.items()
            if patient in stays and (stays[patient].has_left(now) or max(asked, self._began_at) <= imported)
        ]

    def look_for_discharges(self) -> None:
        """End the alarms of patients who have left, and take note of who was moved. Call it every now and then; the
        next step writes it."""
        waited_for = self._book.patients() | self._signals.waited_for()
        now = self._clock()
        stays = whereabouts(self._settings, waited_for)
        left = list[str]()
        for patient, stay in stays.items():
            if stay.left_at is not None and stay.has_left(now):
                left.append(patient)
                self._book.discharge(patient, stay.left_at, now)
            elif stay.ward:
                self._book.moved(patient, one_line(stay.ward, WARD_MAX))
        self._signals.left(left)

    def _judge(self, batch: Batch, now: int) -> tuple[list[Notification], bool]:
        """Tell breaches and values to the book, in their order; what the watchdog's breaches have become, and whether
        a reading of it was among the values."""
        watchdogs, is_heard = [], False
        for one in batch.inputs:
            if isinstance(one, Seen):
                if one.patient_id == WATCHDOG_PATIENT:
                    is_heard = True
                    continue
                for value in self._remember_values(one):
                    self._book.set_back(one.patient_id, value, now)
                for value in one.values:
                    self._book.value(one.patient_id, value, now)
            elif is_watchdog(one):
                watchdogs.append(watchdog_notification(one, uuid.uuid4().hex, now))
            else:
                self._book.breach(one, now)
        return watchdogs, is_heard

    def _known(self, records: Iterable[Record]) -> list[Record]:
        """Records that are new; of those that were read before, the values are remembered."""
        new = []
        for record in records:
            partition = (record.topic, record.partition)
            if record.offset >= self._unwritten.get(partition, self._offsets[partition]):
                new.append(record)
            elif (seen := read_values(record, self._settings.readings)) and seen.patient_id != WATCHDOG_PATIENT:
                self._remember_values(seen)
        return new

    def _remember_values(self, seen: Seen) -> list[Value]:
        """Those that show that the clock of their device was set back."""
        self._signals.see(seen)
        return self._bedside.see(seen.patient_id, seen.values, seen.inserted_at)

    def _hear_people(self, now: int) -> dict[int, str]:
        """Carry out what people asked for, and look which silences are in force; the outcome of each order."""
        if 0 <= now - self._people_at < PEOPLE_MS:
            return {}
        self._people_at = now
        with self._connection.cursor() as cursor:
            orders = load_unhandled(cursor)
            silences = load_in_force(cursor, now)
        self._book.silence(silences)
        self._signals.silence(silences)
        return {order.order_id: self._book.acknowledge(order, now) for order in orders}

    def _contact_alarms(self, breaches: Iterable[Breach], now: int) -> tuple[list[TechnicalAlarm], bool]:
        """Technical alarms about patients without contact, and whether an import should be asked for."""
        alarms, ask = [], False
        for breach in breaches:
            patient = breach["patient_id"]
            if is_watchdog(breach):
                continue
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

    def _write(self, step: Step, now: int) -> None:
        self._unwritten.update(step.batch.offsets)
        if step.is_empty and not (self._unwritten and not 0 <= now - self._written_at < OFFSETS_MS):
            return
        self._feed.set_aside(step.batch.malformed)
        in_transaction(self._connection, lambda cursor: self._write_rows(cursor, step, now))
        self._offsets.update(self._unwritten)
        self._steps += 1
        self._unwritten.clear()
        self._written_at = now
        self._remember(step.batch.seen)

    def _write_rows(self, cursor: Cursor, step: Step, now: int) -> None:
        changes = step.changes
        store.save_alarms(cursor, list(changes.alarms.values()))
        store.add_notifications(cursor, changes.notifications)
        store.add_events(cursor, changes.events)
        alarms = [*step.batch.technical, *step.own, *step.signals.alarms]
        if changes.notifications:
            wards = {one.ward for one in changes.notifications if one.kind == "clinical"}
            alarms += coverage_alarms(cursor, wards, self._rule.told, now, all_wards=False)
        record_technical(cursor, alarms, now, self._style, step.signals.wards)
        if step.signals.held is not None:
            record_held(cursor, step.signals.held, now)
        store.add_seen(cursor, step.batch.seen)
        for order_id, outcome in step.outcomes.items():
            mark_handled(cursor, order_id, outcome, now)
        store.move_offsets(
            cursor,
            before={**self._offsets, store.STEPS: self._steps},
            after={**self._unwritten, store.STEPS: self._steps + 1},
        )

    def _remember(self, seen: Sequence[bytes]) -> None:
        self._seen.update(dict.fromkeys(seen))
        while len(self._seen) > store.SEEN_KEPT:
            self._seen.popitem(last=False)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Run engine, publisher, subscriptions and import requests until `stop` is set, or until one of them fails."""
    with ExitStack() as stack, mysql_errors(settings):
        stack.enter_context(with_retries(settings, lambda: KeptLock(settings, LOCK, LOCK_SECONDS, stop)))
        connection = stack.enter_context(closing(alerts_connection(settings)))
        feed = stack.enter_context(closing(with_retries(settings, lambda: Feed(settings, TOPICS))))
        publisher = Publisher(settings)
        imports = ImportRequests(lambda: start_import(settings))
        engine = Engine(settings, connection, feed, imports.ask)
        engine.start()
        threads = stack.enter_context(Threads(stop))
        threads.start("publisher", publisher.run)
        threads.start("subscriptions", publisher.keep_subscriptions)
        threads.start("imports", imports.run)
        next_housekeeping = next_discharges = time.monotonic()
        while not stop.is_set():
            threads.check()
            batch = engine.step(POLL_SECONDS)
            metrics.records.inc(batch.records)
            metrics.rejected.inc(len(batch.malformed))
            metrics.alive(feed.lag())
            publisher.wake()
            if time.monotonic() >= next_discharges:
                engine.look_for_discharges()
                next_discharges = time.monotonic() + settings.alerts.discharges_seconds
            if time.monotonic() >= next_housekeeping:
                engine.keep_house()
                next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS


if __name__ == "__main__":
    run_stream(STREAM, body)
