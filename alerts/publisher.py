"""Sends the outbox to SNS: urgent first, paced, tried until SNS has it.

At least once: a crash between SNS's answer and its note in the outbox sends a notification again, with the same
notification id. Nothing is ever dropped; while SNS is away everything waits, and what the pace does not allow to go by
itself is merged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.manner import style_of
from alerts.merging import plan_merges
from alerts.outbox import (
    Ready,
    Waiting,
    any_refused,
    load_ready,
    load_waiting,
    mark_failed,
    mark_sent,
    merge,
    take_apart,
)
from alerts.pacing import Backoff, Pace
from alerts.subscriptions import reconcile
from alerts.technical import record_technical, technical
from alerts.topics import TopicArns, is_gone, sns_errors, topics_exist
from infra.clients import alerts_connection, aws_client
from infra.errors import SingleInstanceError, UnavailableError
from infra.log import get_logger
from infra.settings import Settings

BURST = 8
"""Notifications sent before the outbox is looked at again, so that an urgent one does not wait behind a long queue."""

IDLE_SECONDS = 1.0
RECONCILE_SECONDS = 60.0
"""How often subscriptions are compared with SNS: readers confirm theirs by a link, which only SNS sees."""

FORGOTTEN_SECONDS = 5.0
"""How often the embedded SNS is asked whether it still knows its topics."""

REFUSED = (
    "InvalidParameter",
    "InvalidParameterValue",
    "ParameterValueInvalid",
    "ValidationError",
    "ValidationException",
)
"""SNS's codes for a message that it will not take as it is: the others need not wait behind it."""

REFUSED_WAIT_MS = 300_000
REFUSED_ALARM = "notification_refused"
"""The technical alarm while something waits that SNS refuses."""

log = get_logger("publisher")


class Publisher:
    """The publishing loop. `run` and `keep_subscriptions` are for a thread each; `wake` may be called from any."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._style = style_of(settings)
        self._pace = Pace(settings.alerts.publish_per_second, clock)
        self._backoff = Backoff()
        self._wakened = threading.Event()
        self._sns: Any = None
        self._arns: TopicArns | None = None
        self._checked = 0.0
        self._sending = threading.Lock()
        """Held from before SNS gets a notification until the outbox has noted its answer."""

    def wake(self) -> None:
        """Say that the outbox has something new."""
        self._wakened.set()

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set. Raises UnavailableError when MySQL is lost; SNS may come and go."""
        self._sns = aws_client(self._settings, "sns")
        with mysql_errors(self._settings), closing(alerts_connection(self._settings)) as connection:
            while not stop.is_set():
                pause = self.round(connection, stop)
                if pause:
                    self._wakened.wait(pause) if not self._backoff.failures else stop.wait(pause)
                self._wakened.clear()

    def keep_subscriptions(self, stop: threading.Event) -> None:
        """Compare subscriptions with SNS every RECONCILE_SECONDS until `stop` is set, while publishing goes on.

        A comparison that SNS or MySQL does not allow is the next one's. What one leaves half done, the next finishes.
        """
        while not stop.wait(RECONCILE_SECONDS):
            if self._arns is None:  # the publishing loop does it, and waits for it
                continue
            try:
                with mysql_errors(self._settings), closing(alerts_connection(self._settings)) as connection:
                    reconcile(self._settings, connection, self._sending)
            except (UnavailableError, SingleInstanceError) as error:
                log.warning("subscriptions could not be compared with SNS", reason=str(error))

    def round(self, connection: Connection[Any], stop: threading.Event) -> float:
        """Keep SNS in line and send a few; seconds to wait before the next round."""
        try:
            with sns_errors(self._settings):
                arns = self._topics(connection)
                sent = self._send_some(connection, arns, stop)
        except (UnavailableError, SingleInstanceError) as error:
            wait = self._backoff.failed()
            log.warning("SNS refuses; notifications wait", wait_seconds=wait, reason=str(error))
            return wait
        self._backoff.succeeded()
        return 0.0 if sent else IDLE_SECONDS

    def _topics(self, connection: Connection[Any]) -> TopicArns:
        """The topics, made with their subscriptions where SNS does not have them: nobody would hear of what is sent."""
        now = self._clock()
        if self._arns is not None and self._settings.embedded_email and now - self._checked >= FORGOTTEN_SECONDS:
            self._checked = now
            if not topics_exist(self._sns, self._arns):
                self._arns = None
        if self._arns is None:
            self._arns = reconcile(self._settings, connection, self._sending)
        return self._arns

    def _send_some(self, connection: Connection[Any], arns: TopicArns, stop: threading.Event) -> int:
        alerts = self._settings.alerts
        at_once = int(alerts.merge_after_seconds * alerts.publish_per_second)
        with connection.cursor() as cursor:
            plan = plan_merges(load_waiting(cursor, now_ms()), at_once)[:BURST]
        for done, parts in enumerate(plan):
            delay = self._pace.delay()
            if delay and stop.wait(delay):
                return done
            ready = self._ready(connection, parts)
            self._pace.take()
            with self._sending:
                self._send(connection, arns, ready)
            if len(parts) > 1:
                # What of them did not fit waits on, and comes before the rest of the plan.
                return done + 1
        return len(plan)

    def _ready(self, connection: Connection[Any], parts: Sequence[Waiting]) -> Ready:
        seqs = [part.seq for part in parts]
        if len(seqs) > 1:
            return in_transaction(connection, lambda cursor: merge(cursor, seqs, now_ms()))
        with connection.cursor() as cursor:
            return load_ready(cursor, seqs[0])

    def _send(self, connection: Connection[Any], arns: TopicArns, ready: Ready) -> None:
        try:
            answer = self._sns.publish(
                TopicArn=arns.of(ready.topic),
                Subject=ready.subject,
                Message=ready.body,
                MessageAttributes={name: sns_attribute(value) for name, value in ready.attributes.items()},
            )
        except (BotoCoreError, ClientError) as error:
            refused = isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in REFUSED
            if isinstance(error, ClientError) and is_gone(error):
                self._arns = None
            reason = f"{type(error).__name__}: {error}"
            self._failed(connection, ready, reason, refused)
            if not refused:
                raise
            log.error("SNS refuses this notification", notification_id=ready.notification_id, reason=reason)
            return
        # An SNS that refuses now and then is not away: the next refusal is a first one again.
        self._backoff.succeeded()
        in_transaction(connection, lambda cursor: self._note_sent(cursor, ready, answer["MessageId"]))

    def _failed(self, connection: Connection[Any], ready: Ready, reason: str, refused: bool) -> None:
        if not refused:
            in_transaction(connection, lambda cursor: mark_failed(cursor, ready.seq, reason))
        elif ready.is_merged:
            in_transaction(connection, lambda cursor: take_apart(cursor, ready))
        else:
            in_transaction(connection, lambda cursor: self._note_refused(cursor, ready, reason))

    def _note_sent(self, cursor: Cursor, ready: Ready, message_id: str) -> None:
        now = now_ms()
        mark_sent(cursor, ready, message_id, now)
        if ready.was_refused and not any_refused(cursor):
            self._tell_ops(cursor, "SNS has taken every notification that it had refused.", now, cleared=True)

    def _note_refused(self, cursor: Cursor, ready: Ready, reason: str) -> None:
        now = now_ms()
        mark_failed(cursor, ready.seq, reason, now + REFUSED_WAIT_MS)
        detail = (
            f"SNS refuses notification {ready.notification_id} ({reason}). Its readers have not been told; it is tried"
            f" again every {REFUSED_WAIT_MS // 60_000} minutes."
        )
        self._tell_ops(cursor, detail, now)

    def _tell_ops(self, cursor: Cursor, detail: str, now: int, cleared: bool = False) -> None:
        """Raise, or clear, the one alarm about what SNS refuses: a mail about each could be refused in its turn."""
        record_technical(cursor, [technical(REFUSED_ALARM, "SNS", detail, now, cleared)], now, self._style)


def sns_attribute(value: str | list[str]) -> dict[str, str]:
    """A message attribute as SNS takes it; a filter policy matches any one of a list."""
    if isinstance(value, list):
        return {"DataType": "String.Array", "StringValue": orjson.dumps(value).decode()}
    return {"DataType": "String", "StringValue": value}
