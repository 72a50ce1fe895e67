"""The stand-in for Amazon SNS and SQS: moto's server, which by itself keeps all that was ever sent, made to forget; and
to keep what is sent while a message is deleted.

python -m infra.sns_stand_in -H 127.0.0.1 -p PORT
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from moto.server import main
from moto.sns.models import Topic
from moto.sqs.models import Queue

KEPT = 1000
"""Messages of a topic, and receipts of a queue, that are remembered: moto has them for those who test with it."""


class Recent(deque[str]):
    """The newest of what moto adds to a set, as which it is used."""

    def update(self, values: Iterable[str]) -> None:
        self.extend(values)


def install() -> None:
    """Have topics and queues that are made from now on remember their newest only, and delete under their lock."""
    # Not as classes of their own: moto tells by a class's module to which service it belongs.
    make_topic, make_queue, delete_unlocked = Topic.__init__, Queue.__init__, Queue.delete_message

    def topic(self: Topic, *arguments: Any, **named: Any) -> None:
        make_topic(self, *arguments, **named)
        self.sent_notifications = deque(maxlen=KEPT)  # type: ignore[assignment]  # only appended to, and read

    def queue(self: Queue, *arguments: Any, **named: Any) -> None:
        make_queue(self, *arguments, **named)
        self.deleted_messages = Recent(maxlen=KEPT)  # type: ignore[assignment]  # only added to, and looked through

    def delete_message(self: Queue, receipt_handle: str) -> None:
        # moto puts a copy in place of its list of messages: one that another thread adds meanwhile would be lost.
        with self._messages_lock:
            delete_unlocked(self, receipt_handle)

    Topic.__init__, Queue.__init__ = topic, queue  # type: ignore[method-assign]  # that is what this is for
    Queue.delete_message = delete_message  # type: ignore[method-assign]  # as above


if __name__ == "__main__":
    install()
    main()
