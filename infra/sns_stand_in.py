"""The stand-in for Amazon SNS and SQS: moto's server, mended where it is meant for tests that end soon.

By itself it keeps all that was ever made or sent, gives a message only to a topic's first hundred subscriptions, and
may lose one that comes while another is deleted.

python -m infra.sns_stand_in -H 127.0.0.1 -p PORT
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import cache
from typing import Any

import moto.sns.models
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from moto.core.common_models import BaseModel
from moto.server import main
from moto.sns.models import SNSBackend, Subscription, Topic
from moto.sqs.models import Queue

KEPT = 1000
"""Messages of a topic, and receipts of a queue, that are remembered: moto has them for those who test with it."""

SUBSCRIPTIONS = 1_000_000
"""Of a topic that are listed at once, and told of a message: moto looks at no second page."""


class Recent(deque[str]):
    """The newest of what moto adds to a set, as which it is used."""

    def update(self, values: Iterable[str]) -> None:
        self.extend(values)


class Nothing(dict[str, bytes]):
    """Where moto puts a certificate for each delivery, which nobody fetches here."""

    def __setitem__(self, name: str, certificate: bytes) -> None:
        """Keep nothing."""


@cache
def signing_key() -> RSAPrivateKey:
    """One for all subscriptions: moto makes one for each, anew with each delivery when they are many."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def untracked(kind: type[BaseModel], *_: Any, **__: Any) -> BaseModel:
    """A new instance of one of moto's models, of which nobody else keeps track."""
    return object.__new__(kind)


def install() -> None:
    """Have moto work for as long as this program runs. Before the first topic or queue is made."""
    # Not as classes of their own: moto tells by a class's module to which service it belongs.
    make_topic, make_queue, make_backend = Topic.__init__, Queue.__init__, SNSBackend.__init__
    delete_unlocked = Queue.delete_message

    def topic(self: Topic, *arguments: Any, **named: Any) -> None:
        make_topic(self, *arguments, **named)
        self.sent_notifications = deque(maxlen=KEPT)  # type: ignore[assignment]  # only appended to, and read

    def queue(self: Queue, *arguments: Any, **named: Any) -> None:
        make_queue(self, *arguments, **named)
        self.deleted_messages = Recent(maxlen=KEPT)  # type: ignore[assignment]  # only added to, and looked through

    def backend(self: SNSBackend, *arguments: Any, **named: Any) -> None:
        make_backend(self, *arguments, **named)
        self._message_public_keys = Nothing()

    def delete_message(self: Queue, receipt_handle: str) -> None:
        # moto puts a copy in place of its list of messages: one that another thread adds meanwhile would be lost.
        with self._messages_lock:
            delete_unlocked(self, receipt_handle)

    Topic.__init__, Queue.__init__ = topic, queue  # type: ignore[method-assign]  # that is what this is for
    Queue.delete_message = delete_message  # type: ignore[method-assign]  # as above
    SNSBackend.__init__ = backend  # type: ignore[method-assign]  # as above
    Subscription.private_key = lambda _: signing_key()  # type: ignore[method-assign,assignment]  # as above
    BaseModel.__new__ = untracked  # type: ignore[method-assign,assignment]  # as above
    moto.sns.models.DEFAULT_PAGE_SIZE = SUBSCRIPTIONS


if __name__ == "__main__":
    install()
    main()
