"""Technical alarms of a Spark stream: told to ops when a cause appears and when it has gone, not each time."""

from __future__ import annotations

import time

from clinical.messages import TechnicalAlarm
from clinical.topics import TECHNICAL_ALARMS
from infra.errors import UnavailableError
from infra.kafka_io import publish
from infra.log import get_logger
from infra.settings import Settings

PUBLISH_TIMEOUT_SECONDS = 2
"""Short, for it holds up the loop; what did not go out is told the next time."""

log = get_logger(__name__)


class Alarms:
    """What the stream `source` told ops. A process does not know what its predecessor told, so it tells the first state
    of each kind; clearing what was never raised gives no mail."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings = settings
        self._source = source
        self._told: dict[str, bool] = {}

    def set(self, kind: str, detail: str | None) -> None:
        """`kind` is wrong, as `detail` says; None: it is right. Published when that changed, else nothing."""
        wrong = detail is not None
        if self._told.get(kind) == wrong:
            return
        if detail:
            log.warning("technical alarm", source=self._source, kind=kind, detail=detail)
        alarm = TechnicalAlarm(
            alarm_key=f"{self._source}:{kind}",
            source=self._source,
            kind=kind,
            detail=detail or "The cause has gone.",
            raised_at=time.time_ns() // 1_000_000,
            cleared=not wrong,
        )
        try:
            publish(self._settings, TECHNICAL_ALARMS, alarm["alarm_key"], alarm, PUBLISH_TIMEOUT_SECONDS)
        except UnavailableError as error:
            log.warning("technical alarm not published yet", reason=str(error))
        else:
            self._told[kind] = wrong
