"""Subscriptions are compared with SNS beside the publishing, not before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import Any
from unittest.mock import MagicMock

import pytest
from structlog.testing import capture_logs

from alerts import publisher as module
from alerts.outbox import Ready, Waiting
from alerts.publisher import IDLE_SECONDS, Publisher
from alerts.topics import TopicArns
from infra.errors import UnavailableError
from infra.settings import Settings

ARNS = TopicArns("doctors", "ops", "watchdog")
SECONDS = 120.0
Compare = Callable[[AbstractContextManager[Any]], None]


class Desk:
    """A publisher with an empty outbox and an SNS that takes everything; `compare` is what each comparison does."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.waiting: list[Waiting] = []
        self.compare: Compare = lambda none_sent: None
        self.stop = Event()
        self.publisher = Publisher(Settings())
        self.sns = self.publisher._sns = MagicMock()
        self.thread = Thread(target=self.publisher.keep_subscriptions, args=(self.stop,), daemon=True)

    def reconcile(self, _settings: Settings, _connection: Any, none_sent: AbstractContextManager[Any]) -> TopicArns:
        self.compare(none_sent)
        return ARNS

    def round(self) -> float:
        return self.publisher.round(MagicMock(), self.stop)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    one = Desk()
    ready = Ready(1, "n1", "doctors", "subject", "body", {})
    monkeypatch.setattr(module, "RECONCILE_SECONDS", 0.01)
    monkeypatch.setattr(module, "reconcile", one.reconcile)
    monkeypatch.setattr(module, "alerts_connection", lambda _settings: MagicMock())
    monkeypatch.setattr(module, "load_waiting", lambda _cursor, _now: one.waiting)
    monkeypatch.setattr(module, "load_ready", lambda _cursor, _seq: ready)
    monkeypatch.setattr(module, "mark_sent", lambda *_: one.log.append("noted"))
    yield one
    one.stop.set()
    if one.thread.ident is not None:
        one.thread.join(SECONDS)
        assert not one.thread.is_alive()


def test_publishing_goes_on_while_subscriptions_are_compared(desk: Desk) -> None:
    assert desk.round() == IDLE_SECONDS
    began, end = Event(), Event()

    def compare(_none_sent: AbstractContextManager[Any]) -> None:
        began.set()
        end.wait(SECONDS)

    desk.compare = compare
    desk.thread.start()
    assert began.wait(SECONDS)
    assert desk.round() == IDLE_SECONDS
    assert not end.is_set()
    end.set()


def test_before_sns_has_the_topics_nothing_is_sent(desk: Desk) -> None:
    def fail(_none_sent: AbstractContextManager[Any]) -> None:
        raise UnavailableError("SNS", "nowhere", OSError("refused"))

    desk.compare = fail
    desk.waiting = [Waiting(1, b"group", 0)]
    assert desk.round() == 0.5
    assert not desk.sns.publish.called


def test_a_comparison_that_fails_is_logged_and_made_again(desk: Desk) -> None:
    desk.round()
    again = Event()

    def compare(_none_sent: AbstractContextManager[Any]) -> None:
        desk.log.append("compared")
        if len(desk.log) > 1:
            again.set()
            return
        raise UnavailableError("SNS", "nowhere", OSError("refused"))

    desk.compare = compare
    with capture_logs() as said:
        desk.thread.start()
        assert again.wait(SECONDS)
    assert [one["event"] for one in said] == ["subscriptions could not be compared with SNS"]
    assert desk.round() == IDLE_SECONDS


def test_what_sns_lost_is_put_back_only_when_what_it_is_given_now_is_noted(desk: Desk) -> None:
    desk.round()
    asked, put_back = Event(), Event()

    def compare(none_sent: AbstractContextManager[Any]) -> None:
        asked.set()
        with none_sent:
            desk.log.append("put back")
        put_back.set()

    def publish(**_: Any) -> dict[str, str]:
        desk.compare = compare
        desk.thread.start()
        assert asked.wait(SECONDS)
        assert not put_back.wait(0.05)
        return {"MessageId": "m1"}

    desk.sns.publish = publish
    desk.waiting = [Waiting(1, b"group", 0)]
    desk.round()
    assert put_back.wait(SECONDS)
    assert desk.log[:2] == ["noted", "put back"]
