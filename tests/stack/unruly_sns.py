"""A proxy before the embedded SNS that errs as the real one may: what a sound server cannot be made to show."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import requests

from infra.settings import Settings

PASS, THROTTLE, FAIL, ACCEPT_AND_HANG, ACCEPT_AND_CUT = "pass", "throttle", "fail", "accept and hang", "accept and cut"
BEHAVIOURS = (PASS, THROTTLE, PASS, FAIL, PASS, ACCEPT_AND_HANG, PASS, PASS, ACCEPT_AND_CUT)
HANG_SECONDS = 1.5
LIMIT = 10
"""Messages in one second, above which SNS suspends an email endpoint."""

TAKEN = "<PublishResponse><PublishResult><MessageId>{id}</MessageId></PublishResult></PublishResponse>"
REFUSAL = "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"


@dataclass
class UnrulySns:
    """`settings` lead to it. `asked`: when each publish came (monotonic, s); `accepted`: notification ids in order.

    `undelivered`: ids of what came after more than the limit in a second; all is answered as if it were well, and the
    readers of the ward get nothing from then on: their endpoints are suspended.
    """

    settings: Settings
    shown: list[str] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    undelivered: list[str] = field(default_factory=list)

    @property
    def most_in_a_second(self) -> int:
        """Publishes that came within one second."""
        return max((sum(asked <= other < asked + 1 for other in self.asked) for asked in self.asked), default=0)


@contextmanager
def unruly_sns(
    settings: Settings, ward: str, behaviours: Sequence[str] = BEHAVIOURS, limit: int = LIMIT
) -> Iterator[UnrulySns]:
    """Every publish is answered by the next of `behaviours`; everything else is passed on. Readers of `ward` are
    suspended above `limit` messages in a second."""
    turns = itertools.cycle(behaviours)
    assert settings.sns_endpoint_url is not None
    behind = settings.sns_endpoint_url

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            words = parse_qs(body.decode())
            if words.get("Action") != ["Publish"]:
                self._pass_on(body)
                return
            behaviour = next(turns)
            unruly.shown.append(behaviour)
            unruly.asked.append(time.monotonic())
            if behaviour == THROTTLE:
                self._answer(400, REFUSAL.format(code="Throttling").encode())
            elif behaviour == FAIL:
                self._answer(500, REFUSAL.format(code="InternalError").encode())
            elif _attribute(words, "ward") == ward and (unruly.undelivered or unruly.most_in_a_second > limit):
                unruly.undelivered.append(_attribute(words, "notification_id"))
                self._answer(200, TAKEN.format(id=uuid.uuid4()).encode())
            else:
                unruly.accepted.append(_attribute(words, "notification_id"))
                self._pass_on(body, behaviour)

        def _pass_on(self, body: bytes, behaviour: str = PASS) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            answer = requests.post(behind + self.path, data=body, headers=headers, timeout=30)
            if behaviour == ACCEPT_AND_HANG:
                threading.Event().wait(HANG_SECONDS)
            elif behaviour == PASS:
                self._answer(answer.status_code, answer.content)
            self.close_connection = True

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ports = settings.ports.model_copy(update={"sns": server.server_port})
        # Each mail by itself: merging has tests of its own, and would depend on what else waits.
        alerts = settings.alerts.model_copy(
            update={"publish_timeout_seconds": HANG_SECONDS / 2, "merge_after_seconds": 3600.0}
        )
        unruly = UnrulySns(settings.model_copy(update={"ports": ports, "alerts": alerts}))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield unruly
        finally:
            server.shutdown()
            thread.join()


def _attribute(words: dict[str, list[str]], sought: str) -> str:
    names = {name: value for name, (value, *_) in words.items()}
    [entry] = [name for name, value in names.items() if name.endswith(".Name") and value == sought]
    return names[entry.removesuffix(".Name") + ".Value.StringValue"]
