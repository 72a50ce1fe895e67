"""The mailer: stands in for SNS's own email delivery where SNS is the embedded one, which sends none.

Each subscription's queue is emptied into SMTP by a thread of its own, in order. A message is deleted only after SMTP
took the mail and the table `mailed` knows of it; after a crash between the two, which the table `mailing` shows, the
inbox is asked whether it has the mail. A queue that the embedded SNS has forgotten is waited for: the alert engine
makes it again.

The news that MySQL is down must get out, too: while it is away, mails go on to the subscriptions known before, and what
was mailed is noted as soon as it is back. Only a crash meanwhile may then send a mail again.
"""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.errors import MessageError
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pymysql.connections import Connection

from alerts.database import mysql_errors, now_ms
from alerts.envelope import Envelope, compose, read_envelope
from alerts.inbox import received_mails
from alerts.pacing import Backoff
from alerts.subscriptions import queue_name
from alerts.subscriptions_table import Subscription, load_subscriptions
from alerts.threads import Threads
from infra.clients import alerts_connection, aws_client, with_retries
from infra.errors import UnavailableError
from infra.locks import KeptLock
from infra.log import get_logger
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream

STREAM = "mailer"
LONG_POLL_SECONDS = 2
"""Shorter than the client's own timeout; a message that comes in is answered at once."""

HIDDEN_SECONDS = 60
"""For so long a message that was taken stays hidden from the next poll; longer than a batch needs."""

REFRESH_SECONDS = 2.0
PURGE_SECONDS = 600.0
REMEMBERED_MS = 7 * 86_400_000
"""A repeat comes within seconds or after an outage; a week is longer than any that goes unnoticed."""

SMTP_TIMEOUT = 10.0
LOCK_SECONDS = 10
log = get_logger(STREAM)


class Notes:
    """What one subscription was mailed, in the tables `mailing` and `mailed`; in memory while MySQL is away."""

    def __init__(self, settings: Settings, subscription_id: int) -> None:
        self._settings = settings
        self._id = subscription_id
        self._unwritten: dict[str, int] = {}

    @contextmanager
    def opened(self) -> Iterator[Connection[Any] | None]:
        """A connection for some mails, with everything written that was kept in memory; None while MySQL is away."""
        try:
            connection = alerts_connection(self._settings)
        except UnavailableError as error:
            log.warning("mails are noted in memory", subscription_id=self._id, reason=str(error))
            yield None
            return
        with closing(connection):
            for notification_id, at in list(self._unwritten.items()):
                _write(connection, "mailed", (self._id, notification_id, at))
                del self._unwritten[notification_id]
            yield connection

    def write_kept(self) -> None:
        """Write what was kept in memory, if MySQL is back."""
        if self._unwritten:
            with self.opened():
                pass

    def was_mailed(self, connection: Connection[Any] | None, notification_id: str) -> bool:
        """Whether this was mailed for certain."""
        known = notification_id in self._unwritten
        return known or (connection is not None and self._has(connection, "mailed", notification_id))

    def was_begun(self, connection: Connection[Any] | None, notification_id: str) -> bool:
        """Whether a mailer has begun to mail this, and maybe ended before it could say so."""
        return connection is not None and self._has(connection, "mailing", notification_id)

    def begin(self, connection: Connection[Any] | None, notification_id: str) -> None:
        """Note that this is about to be mailed."""
        if connection is not None:
            _write(connection, "mailing", (self._id, notification_id, now_ms()))

    def finish(self, connection: Connection[Any] | None, notification_id: str) -> None:
        """Note that this was mailed: kept in memory until MySQL has it."""
        self._unwritten[notification_id] = now_ms()
        if connection is not None:
            _write(connection, "mailed", (self._id, notification_id, self._unwritten[notification_id]))
            del self._unwritten[notification_id]

    def _has(self, connection: Connection[Any], table: str, notification_id: str) -> bool:
        query = f"SELECT 1 FROM {table} WHERE subscription_id = %s AND notification_id = %s"
        with connection.cursor() as cursor:
            return bool(cursor.execute(query, (self._id, notification_id)))


def _write(connection: Connection[Any], table: str, row: tuple[int, str, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT IGNORE INTO {table} VALUES (%s, %s, %s)", row)


class QueueWorker:
    """Moves the messages of one subscription's queue to SMTP."""

    def __init__(self, settings: Settings, subscription: Subscription, metrics: StreamMetrics) -> None:
        self._settings = settings
        self._id = subscription.subscription_id
        self._email = subscription.email
        self._notes = Notes(settings, self._id)
        self._metrics = metrics
        self._backoff = Backoff(longest=10.0)
        self._sqs: Any = None
        self._url: str | None = None
        self.gone = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set or the subscription is gone."""
        self._sqs = aws_client(self._settings, "sqs")
        while not stop.is_set() and not self.gone.is_set():
            try:
                with mysql_errors(self._settings):
                    self._round()
                self._backoff.succeeded()
            except (BotoCoreError, ClientError, smtplib.SMTPException, UnavailableError, OSError) as error:
                self._url = None
                wait = self._backoff.failed()
                log.warning("mails wait", subscription_id=self._id, wait_seconds=wait, reason=type(error).__name__)
                stop.wait(wait)

    def waiting(self) -> int:
        """Messages in the queue, as SQS estimates; 0 while the queue is not there."""
        url = self._url
        if url is None:
            return 0
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        try:
            counts = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        except (BotoCoreError, ClientError):
            return 0
        return sum(int(counts.get(name, 0)) for name in names)

    def _round(self) -> None:
        if self._url is None:
            self._url = self._sqs.get_queue_url(QueueName=queue_name(self._id))["QueueUrl"]
        messages = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=LONG_POLL_SECONDS,
            VisibilityTimeout=HIDDEN_SECONDS,
        ).get("Messages", [])
        if not messages:
            self._notes.write_kept()
            return
        try:
            with (
                self._notes.opened() as connection,
                smtplib.SMTP("127.0.0.1", self._settings.ports.smtp, timeout=SMTP_TIMEOUT) as smtp,
            ):
                while messages:
                    self._deliver(connection, smtp, messages[0])
                    messages.pop(0)
        finally:
            for message in messages:
                self._show_again(message)

    def _deliver(self, connection: Connection[Any] | None, smtp: smtplib.SMTP, message: dict[str, Any]) -> None:
        envelope = read_envelope(message["Body"], message["MessageId"])
        identity = envelope.notification_id
        if not self._notes.was_mailed(connection, identity):
            if not (self._notes.was_begun(connection, identity) and self._is_in_the_inbox(envelope)):
                self._notes.begin(connection, identity)
                try:
                    smtp.send_message(compose(envelope, self._settings.alerts.sender, self._email))
                except (
                    smtplib.SMTPResponseException,
                    smtplib.SMTPRecipientsRefused,
                    MessageError,
                    ValueError,
                ) as error:
                    log.error("SMTP refuses a mail", subscription_id=self._id, reason=type(error).__name__)
                    return
            self._notes.finish(connection, identity)
            self._metrics.records.inc()
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def _is_in_the_inbox(self, envelope: Envelope) -> bool:
        return any(
            mail.notification_id == envelope.notification_id and self._email in mail.recipients
            for mail in received_mails(self._settings)
        )

    def _show_again(self, message: dict[str, Any]) -> None:
        """Let the next poll have the message at once; if that fails, it comes back after HIDDEN_SECONDS."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("a message stays hidden for a while", reason=type(error).__name__)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Keep one worker for each subscription until `stop` is set, or until one of them fails.

    Raises UnavailableError when MySQL is not there at the start, SingleInstanceError when another mailer has taken over
    while it was away.
    """
    if not settings.embedded_email:
        log.info("not needed: SNS sends the emails itself")
        return
    workers: dict[tuple[int, str], QueueWorker] = {}
    with Threads(stop) as threads:
        with_retries(settings, lambda: alerts_connection(settings)).close()
        while not stop.is_set():
            try:
                with mysql_errors(settings):
                    _look_after(settings, metrics, stop, workers, threads)
            except UnavailableError as error:
                log.warning("MySQL is away: mails go on to those known before", reason=str(error))
                _go_on_without(settings, metrics, stop, workers, threads)


def _look_after(
    settings: Settings,
    metrics: StreamMetrics,
    stop: threading.Event,
    workers: dict[tuple[int, str], QueueWorker],
    threads: Threads,
) -> None:
    """Keep the workers in line with the subscriptions, as the one mailer, until `stop` is set."""
    next_purge = time.monotonic()
    with (
        KeptLock(settings, f"wardwatch:stream:{STREAM}", LOCK_SECONDS, stop),
        closing(alerts_connection(settings)) as connection,
    ):
        while not stop.is_set():
            threads.check()
            _refresh(settings, connection, metrics, workers, threads)
            if time.monotonic() >= next_purge:
                _purge(connection)
                next_purge = time.monotonic() + PURGE_SECONDS
            metrics.alive(sum(worker.waiting() for worker in workers.values()))
            stop.wait(REFRESH_SECONDS)


def _go_on_without(
    settings: Settings,
    metrics: StreamMetrics,
    stop: threading.Event,
    workers: dict[tuple[int, str], QueueWorker],
    threads: Threads,
) -> None:
    """Let the workers work until MySQL is back or `stop` is set."""
    while not stop.wait(REFRESH_SECONDS):
        threads.check()
        metrics.alive(sum(worker.waiting() for worker in workers.values()))
        with suppress(UnavailableError):
            alerts_connection(settings).close()
            log.info("MySQL is back")
            return


def _refresh(
    settings: Settings,
    connection: Connection[Any],
    metrics: StreamMetrics,
    workers: dict[tuple[int, str], QueueWorker],
    threads: Threads,
) -> None:
    with connection.cursor() as cursor:
        wanted = {
            (subscription.subscription_id, subscription.email): subscription
            for subscription in load_subscriptions(cursor)
            if subscription.state in ("pending", "confirmed")
        }
    for key in workers.keys() - wanted.keys():
        workers.pop(key).gone.set()
    for key in wanted.keys() - workers.keys():
        worker = workers[key] = QueueWorker(settings, wanted[key], metrics)
        threads.start(f"queue-{key[0]}", worker.run)


def _purge(connection: Connection[Any]) -> None:
    with connection.cursor() as cursor:
        for table, column in (("mailed", "mailed_at"), ("mailing", "begun_at")):
            cursor.execute(f"DELETE FROM {table} WHERE {column} < %s LIMIT 100000", (now_ms() - REMEMBERED_MS,))


if __name__ == "__main__":
    run_stream(STREAM, body)
