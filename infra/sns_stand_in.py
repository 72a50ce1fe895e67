"""The stand-in for Amazon SNS and SQS: moto's server, which by itself keeps all that was ever sent, made to forget.

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
    """Have topics and queues that are made from now on remember their newest only."""
    # Not as classes of their own: moto tells by a class's module to which service it belongs.
    make_topic, make_queue = Topic.__init__, Queue.__init__

    def topic(self: Topic, *arguments: Any, **named: Any) -> None:
        make_topic(self, *arguments, **named)
        self.sent_notifications = deque(maxlen=KEPT)  # type: ignore[assignment]  # only appended to, and read

    def queue(self: Queue, *arguments: Any, **named: Any) -> None:
        make_queue(self, *arguments, **named)
        self.deleted_messages = Recent(maxlen=KEPT)  # type: ignore[assignment]  # only added to, and looked through

    Topic.__init__, Queue.__init__ = topic, queue  # type: ignore[method-assign]  # that is what this is for


if __name__ == "__main__":
    install()
    main()
