"""A technical alarm that is raised once when its cause appears and once more, cleared, when it goes."""

from __future__ import annotations

import time

import structlog

from clinical.messages import TechnicalAlarm
from clinical.topics import TECHNICAL_ALARMS
from infra.errors import UnavailableError
from infra.kafka_io import publish
from infra.settings import Settings

PUBLISH_TIMEOUT_SECONDS = 2
"""Short, for it holds up the stream."""

RETRY_SECONDS = 30.0
"""An alarm that could not be published is tried again no sooner, since each attempt holds up the stream."""

log = structlog.get_logger(part="producers")


class OpsAlarm:
    """One cause, identified by stream, kind and subject.

    What an earlier process said is not known, so the first word after a start is always said, a clearing one too;
    the alert engine drops what it knows already.
    """

    def __init__(self, settings: Settings, source: str, kind: str, subject: str) -> None:
        self._settings = settings
        self._source = source
        self._kind = kind
        self._key = f"{source}/{kind}/{subject}"
        self._raised: bool | None = None
        self._not_before = 0.0

    def raise_once(self, detail: str) -> None:
        """Tell ops `detail`, unless they were told; what cannot be published is tried again by a later call."""
        if self._raised is not True and self._publish(detail, cleared=False):
            self._raised = True

    def clear(self) -> None:
        """Tell ops that the cause has gone, unless they were told."""
        if self._raised is not False and self._publish("The cause has gone.", cleared=True):
            self._raised = False

    def _publish(self, detail: str, *, cleared: bool) -> bool:
        if time.monotonic() < self._not_before:
            return False
        alarm = TechnicalAlarm(
            alarm_key=self._key,
            source=self._source,
            kind=self._kind,
            detail=detail,
            raised_at=time.time_ns() // 1_000_000,
            cleared=cleared,
        )
        try:
            publish(self._settings, TECHNICAL_ALARMS, self._key, alarm, PUBLISH_TIMEOUT_SECONDS)
        except UnavailableError as error:
            self._not_before = time.monotonic() + RETRY_SECONDS
            log.warning("ops could not be told", kind=self._kind, reason=str(error))
            return False
        log.info("ops told", kind=self._kind, cleared=cleared, detail=detail)
        return True
