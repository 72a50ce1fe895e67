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


class Recent(dict[str, None]):
    """A set of the newest KEPT."""

    def update(self, values: Iterable[str]) -> None:  # type: ignore[override]  # a set's
        for value in values:
            self[value] = None
        while len(self) > KEPT:
            del self[next(iter(self))]


class ForgetfulTopic(Topic):
    """A topic that remembers its newest messages."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.sent_notifications = deque(maxlen=KEPT)  # type: ignore[assignment]  # only appended to, and read


class ForgetfulQueue(Queue):
    """A queue that remembers which messages were deleted last."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deleted_messages = Recent()  # type: ignore[assignment]


def install() -> None:
    """Have moto make these from now on."""
    import moto.sns.models
    import moto.sqs.models

    moto.sns.models.Topic = ForgetfulTopic  # type: ignore[misc]
    moto.sqs.models.Queue = ForgetfulQueue  # type: ignore[misc]


if __name__ == "__main__":
    install()
    main()
